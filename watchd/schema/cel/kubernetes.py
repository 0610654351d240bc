"""Kubernetes' quantities (`1.5Gi`) and semantic versions."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import attrs

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.values import MAX_INT, MAX_UINT, MIN_INT, Opaque, no_overload, whole

_QUANTITY = re.compile(
    r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]+))?", re.ASCII
)
_FORM = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_DECIMAL = {unit: 3 * power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)}
_BINARY: dict[str | None, int] = {f"{unit}i": 10 * power for power, unit in enumerate("KMGTPE", 1)}
"""Powers of two."""
_EXPONENT_MAX = 1000
"""The largest exponent that is still worked out."""
_NANO = 10**9
_FORMAT_TEXT = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_SUFFIX_TEXT = "unable to parse quantity's suffix"
_NUMBER_TEXT = "unable to parse numeric part of quantity"
_MOST = 2**63 - 1


@attrs.frozen
class Quantity(Opaque):
    """An exact number, in units of 1e-9 at the least."""

    number: Fraction
    scale: int | None = attrs.field(default=None, eq=False)
    """The power of ten whose whole multiples the number is held in; None where it is held in decimals."""

    type_name: ClassVar[str] = "kubernetes.Quantity"


_DIGITS = 18
"""Decimal digits that fit into 64 bits for sure."""
_BINARY_DIGITS = 14
"""The same for numbers with a binary suffix, before the suffix is counted."""
_NANO_SCALE = -9


def _round(number: Fraction) -> Fraction:
    """Round away from zero to 1e-9."""
    scaled = number * _NANO
    if scaled.denominator == 1:
        return number
    whole = -(-abs(scaled).numerator // scaled.denominator)
    return Fraction(whole if number > 0 else -whole, _NANO)


def _signed(digits: str) -> int:
    number = whole(digits.lstrip("+-"))
    return -number if digits[0] == "-" else number


def _read(text: str) -> Quantity | str:
    if not text:
        return _FORMAT_TEXT
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return _refusal(text)
    sign, digits, suffix, exponent = match.groups()
    number = Fraction(Decimal(digits))
    whole, _, fraction = digits.partition(".")
    length = max(len(whole.lstrip("0")), 1) + len(fraction)
    scale: int | None = None
    if suffix in _BINARY:
        power = _BINARY[suffix]
        number *= 2**power
        if not fraction and _BINARY_DIGITS - length - power * 3 // 10 >= 0:
            scale = 0
        else:
            number = min(_round(number), Fraction(_MOST))
    else:
        power = _signed(exponent) if exponent is not None else _DECIMAL[suffix or ""]
        if abs(power) > _EXPONENT_MAX:
            return _SUFFIX_TEXT
        number *= Fraction(10) ** power
        if length <= _DIGITS and power - len(fraction) >= _NANO_SCALE:
            scale = power - len(fraction)
        number = _round(number)
    return Quantity(-number if sign == "-" else number, scale)


def _refusal(text: str) -> str:
    body = text[1:] if text[0] in "+-" else text
    digits = re.match(r"[0-9]*(?:\.[0-9]*)?", body)
    assert digits is not None  # noqa: S101 - it matches the empty text
    rest = body[digits.end() :]
    if not digits[0] or digits[0] == ".":
        return _FORMAT_TEXT if not rest or _FORM.fullmatch(text) is None else _NUMBER_TEXT
    if re.fullmatch(r"[eEinumkKMGTP]*[-+]?[0-9]*", rest) is None:
        return _FORMAT_TEXT
    return _SUFFIX_TEXT


def quantity(text: Any) -> Quantity:
    """Parse a quantity.

    Raises:
        EvaluationError: it is none.

    """
    if type(text) is not str:
        raise no_overload()
    found = _read(text)
    if isinstance(found, str):
        raise EvaluationError(found)
    return found


def is_quantity(text: Any) -> bool:
    """Tell whether a text is a quantity."""
    if type(text) is not str:
        raise no_overload()
    return isinstance(_read(text), Quantity)


def _number(value: Any) -> Fraction:
    if not isinstance(value, Quantity):
        raise no_overload()
    return value.number


def approximate_float(value: Any) -> float:
    """Return the nearest double."""
    return float(_number(value))


def is_integer(value: Any) -> bool:
    """Tell whether a quantity is an int, and held as one."""
    number = _number(value)
    held = value.scale is not None and (value.scale >= 0 or not number)
    return held and MIN_INT <= number <= MAX_INT


def as_integer(value: Any) -> int:
    """Return a quantity as an int.

    Raises:
        EvaluationError: it is none.

    """
    if not is_integer(value):
        raise EvaluationError("cannot convert value to integer")
    return int(_number(value))


def sign(value: Any) -> int:
    """Return -1, 0 or 1."""
    number = _number(value)
    return (number > 0) - (number < 0)


def _sum(value: Any, other: Any, sign_of_other: int) -> Quantity:
    number = _number(value)
    added = Quantity(Fraction(other), 0) if type(other) is int else other
    more = _number(added)
    scale: int | None = None
    if value.scale is not None and added.scale is not None:
        scales = [one.scale or 0 for one in (value, added) if one.number]
        scale = min(scales, default=0)
    return Quantity(number + sign_of_other * more, scale)


def plus(value: Any, other: Any) -> Quantity:
    """Add a quantity or an int."""
    return _sum(value, other, 1)


def minus(value: Any, other: Any) -> Quantity:
    """Subtract a quantity or an int."""
    return _sum(value, other, -1)


_SEMVER = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)


@attrs.frozen
class Semver(Opaque):
    """A semantic version; what follows a plus sign does not count."""

    major: int
    minor: int
    patch: int
    pre: tuple[int | str, ...] = ()

    type_name: ClassVar[str] = "kubernetes.Semver"

    def key(self) -> tuple[Any, ...]:
        """Return what versions are ordered by."""
        # Numbers come before words, and every pre-release before the release.
        pre = tuple((0, part, "") if isinstance(part, int) else (1, 0, part) for part in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, pre)


def _semver_refusal(text: str) -> str:  # noqa: C901, PLR0911, PLR0912 - a table of cases
    parts = text.split(".", 2)
    if not text:
        return "Version string empty"
    if len(parts) != 3:
        return "No Major.Minor.Patch elements found"
    patch = re.split("[-+]", parts[2], maxsplit=1)[0]
    for name, part in (("Major", parts[0]), ("Minor", parts[1]), ("Patch", patch)):
        if not part.isascii() or not part.isdigit():
            if name == "Patch" and not part:
                return 'strconv.ParseUint: parsing "": invalid syntax'
            return f'Invalid character(s) found in {name.lower()} number "{part}"'
        if len(part) > 1 and part[0] == "0":
            return f'{name} number must not contain leading zeroes "{part}"'
        if whole(part) > MAX_UINT:
            return f'strconv.ParseUint: parsing "{part}": value out of range'
    rest = parts[2][len(patch) :]
    pre, plus_sign, build = rest.partition("+")
    if pre:
        for part in pre[1:].split("."):
            if not part:
                return "Prerelease is empty"
            if part.isdigit() and len(part) > 1 and part[0] == "0":
                return f'Numeric PreRelease version must not contain leading zeroes "{part}"'
            if re.fullmatch("[0-9A-Za-z-]+", part) is None:
                return f'Invalid character(s) found in prerelease "{part}"'
    if plus_sign:
        for part in build.split("."):
            if not part:
                return "Build meta data is empty"
            if re.fullmatch("[0-9A-Za-z-]+", part) is None:
                return f'Invalid character(s) found in build meta data "{part}"'
    return "invalid version"


def _normal(text: str) -> str:
    parts = text.removeprefix("v").split(".", 2)
    for index, part in enumerate(parts):
        if len(part) > 1:
            bare = part.lstrip("0")
            parts[index] = bare if bare[:1].isdigit() else f"0{bare}"
    if len(parts) < 3:
        if any(char in parts[-1] for char in "+-"):
            raise EvaluationError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def semver(text: Any, normalize: Any = False) -> Semver:  # noqa: FBT002 - an argument of the language
    """Parse a version; `normalize` bears a leading v, missing parts and leading zeros.

    Raises:
        EvaluationError: it is none.

    """
    if type(text) is not str or type(normalize) is not bool:
        raise no_overload()
    if normalize:
        text = _normal(text)
    match = _SEMVER.fullmatch(text)
    if match is None or any(whole(match[group]) > MAX_UINT for group in (1, 2, 3)):
        raise EvaluationError(_semver_refusal(text))
    pre = match[4].split(".") if match[4] else []
    large = next((part for part in pre if part.isdigit() and whole(part) > MAX_UINT), None)
    if large is not None:
        raise EvaluationError(f'strconv.ParseUint: parsing "{large}": value out of range')
    return Semver(
        int(match[1]), int(match[2]), int(match[3]), tuple(int(part) if part.isdigit() else part for part in pre)
    )


def is_semver(text: Any, normalize: Any = False) -> bool:  # noqa: FBT002 - an argument of the language
    """Tell whether a text is a version."""
    if type(text) is not str or type(normalize) is not bool:
        raise no_overload()
    try:
        semver(text, normalize)
    except EvaluationError:
        return False
    return True


def _version(value: Any) -> Semver:
    if not isinstance(value, Semver):
        raise no_overload()
    return value


def major(value: Any) -> int:
    """Return the first number."""
    return _version(value).major


def minor(value: Any) -> int:
    """Return the second number."""
    return _version(value).minor


def patch(value: Any) -> int:
    """Return the third number."""
    return _version(value).patch


def compare(value: Any, other: Any) -> int:
    """Return -1, 0 or 1: the order of two quantities or versions."""
    one: Any
    two: Any
    if isinstance(value, Semver):
        one, two = value.key(), _version(other).key()
    else:
        one, two = _number(value), _number(other)
    return int(one > two) - int(one < two)
