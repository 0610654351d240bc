"""Kubernetes' quantities (`1.5Gi`) and semantic versions."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import attrs

from watchd.schema import quantity as quantities
from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.values import MAX_UINT, Opaque, no_overload, whole


@attrs.frozen
class Quantity(Opaque):
    """A quantity as a value of the language."""

    amount: quantities.Quantity

    type_name: ClassVar[str] = "kubernetes.Quantity"


def quantity(text: Any) -> Quantity:
    """Parse a quantity.

    Raises:
        EvaluationError: it is none.

    """
    if type(text) is not str:
        raise no_overload()
    try:
        return Quantity(quantities.Quantity.parse(text))
    except quantities.QuantityError as e:
        raise EvaluationError(str(e)) from None


def is_quantity(text: Any) -> bool:
    """Tell whether a text is a quantity."""
    if type(text) is not str:
        raise no_overload()
    try:
        quantities.Quantity.parse(text)
    except quantities.QuantityError:
        return False
    return True


def _amount(value: Any) -> quantities.Quantity:
    if not isinstance(value, Quantity):
        raise no_overload()
    return value.amount


def approximate_float(value: Any) -> float:
    """Return the nearest double."""
    return float(_amount(value).fraction())


def is_integer(value: Any) -> bool:
    """Tell whether a quantity is an int, and held as one."""
    return _amount(value).as_int64() is not None


def as_integer(value: Any) -> int:
    """Return a quantity as an int.

    Raises:
        EvaluationError: it is none.

    """
    number = _amount(value).as_int64()
    if number is None:
        raise EvaluationError("cannot convert value to integer")
    return number


def sign(value: Any) -> int:
    """Return -1, 0 or 1."""
    return _amount(value).sign()


def _operand(value: Any) -> quantities.Quantity:
    return quantities.Quantity(value) if type(value) is int else _amount(value)


def plus(value: Any, other: Any) -> Quantity:
    """Add a quantity or an int."""
    return Quantity(_amount(value).add(_operand(other)))


def minus(value: Any, other: Any) -> Quantity:
    """Subtract a quantity or an int."""
    return Quantity(_amount(value).sub(_operand(other)))


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
    if not isinstance(value, Semver):
        return _amount(value).compare(_amount(other))
    one, two = value.key(), _version(other).key()
    return int(one > two) - int(one < two)
