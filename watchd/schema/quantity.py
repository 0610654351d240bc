"""Quantities: exact numbers with a suffix (`100m`, `1.5Gi`, `1e3`), as resource.Quantity of apimachinery holds them.

A quantity is read as Go reads it: finer than 1e-9 is rounded away from zero, a binary one above 2**63-1 is capped. Its
text is what Go writes after decoding: a text in canonical form stays, also one that only nearly is (`1.500`, `+5`).
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

DECIMAL: Final = "DecimalSI"
"""The format of numbers with a suffix for a power of ten, or none."""
BINARY: Final = "BinarySI"
"""The format of numbers with a suffix for a power of 1024."""
EXPONENT: Final = "DecimalExponent"
"""The format of numbers with an exponent."""

FORMAT_TEXT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_TEXT = "unable to parse quantity's suffix"
NUMBER_TEXT = "unable to parse numeric part of quantity"

_FORM = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_DECIMAL_POWERS = {unit: 3 * power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)}
_DECIMAL_SUFFIXES = {power: unit for unit, power in _DECIMAL_POWERS.items()}
_BINARY_POWERS = {f"{unit}i": power for power, unit in enumerate("KMGTPE", 1)}
_BINARY_SUFFIXES = {0: "", **{power: unit for unit, power in _BINARY_POWERS.items()}}
_DIGITS = 18
"""Decimal digits that fit into 64 bits for sure."""
_BINARY_DIGITS = 14
"""The same for numbers with a binary suffix, before the suffix is counted."""
_NANO = -9
_INT64 = 1 << 63
_EXPONENT_BITS = 32
_APART = 1000
"""The largest power of ten that is worked out, as digits cost memory: a larger one counts as this, and a number that is
smaller by more does not count in a sum."""
_DIGITS_READ = 100_000
"""The most digits that are read: what a number costs grows with their square."""
_TEXT_MAX = 64
"""Characters of the longest text whose canonical form is remembered."""
_REMEMBERED = 4096
"""Canonical forms that are remembered: the quantities of a cluster are few."""


class QuantityError(ValueError):
    """A text that is no quantity; the message is Go's."""


@functools.total_ordering
class Quantity:
    """An exact number `unscaled * 10**scale` and the format it is written in. Immutable; equal where the numbers are."""

    __slots__ = ("_text", "format", "scale", "unscaled", "wide")

    def __init__(self, unscaled: int, scale: int = 0, form: str = DECIMAL, *, wide: bool = False, text: str = "") -> None:
        """Make a quantity; `wide` says that Go holds it in big decimals, `text` is its canonical form where it is known."""
        self.unscaled = unscaled
        self.scale = scale
        self.format = form
        self.wide = wide
        self._text = text

    @classmethod
    def parse(cls, text: str) -> Quantity:
        """Read a quantity.

        Raises:
            QuantityError: the text is none.

        """
        match = _FORM.fullmatch(text)
        if match is None or not text:
            raise QuantityError(FORMAT_TEXT)
        sign, number, fraction, suffix = match.groups(default="")
        number = number or "0"
        digits = number + fraction
        if len(digits) > _DIGITS_READ:
            raise QuantityError(NUMBER_TEXT)
        factor = 1
        power = _DECIMAL_POWERS.get(suffix)
        if power is not None:
            form = DECIMAL
        elif suffix in _BINARY_POWERS:
            form, power, factor = BINARY, 0, 1 << 10 * _BINARY_POWERS[suffix]
        else:
            form, power = EXPONENT, _exponent(suffix)
        scale = power - len(fraction)
        if form is BINARY:
            narrow = not fraction and _BINARY_DIGITS - len(number) - 3 * _BINARY_POWERS[suffix] >= 0
        else:
            narrow = len(digits) <= _DIGITS
        if narrow and scale >= _NANO:
            value = int(digits)
            # Go takes these for canonical as they stand.
            kept = value & 7 if form is BINARY else not scale % 3 and digits[0] != "0" and not digits.endswith("000")
            return cls(-value * factor if sign == "-" else value * factor, scale, form, text=text if kept else "")
        if not any(char.isdigit() for char in text[: len(text) - len(suffix)]):
            raise QuantityError(NUMBER_TEXT)
        return cls._wide(-1 if sign == "-" else 1, _integer(digits) * factor, scale, form)

    @classmethod
    def _wide(cls, sign: int, number: int, scale: int, form: str) -> Quantity:
        """Make one of a number that Go holds in big decimals: rounded to 1e-9, capped if binary."""
        if number and scale < _NANO:
            number, scale = _divided(number, _NANO - scale), _NANO
        if form is BINARY:
            if _compare(number, scale, _INT64 - 1, 0) > 0:
                number, scale = _INT64 - 1, 0
            if number and _compare(number, scale, 1, 0) < 0:
                form = DECIMAL
        return cls(sign * number, scale, form, wide=True)

    def __str__(self) -> str:
        """Return the canonical form, which Go writes."""
        if not self._text:
            self._text = self._canonical()
        return self._text

    __repr__ = __str__

    def _canonical(self) -> str:
        unscaled, scale = self.unscaled, self.scale
        if not unscaled:
            return "0"
        if self.format == BINARY and abs(self) >= _KIBI:
            whole, exact = self._whole()
            if exact:
                power = 0
                while not whole % 1024:
                    whole //= 1024
                    power += 1
                return f"{whole}{_BINARY_SUFFIXES.get(power, '')}"
        while not unscaled % 10:
            unscaled //= 10
            scale += 1
        unscaled *= 10 ** (scale % 3)
        scale -= scale % 3
        # Python itself writes no number of more than some thousand digits.
        digits = f"{Decimal(unscaled):f}"
        if self.format == EXPONENT:
            return f"{digits}e{scale}" if scale else digits
        # Go knows no suffix beyond E and writes none.
        return f"{digits}{_DECIMAL_SUFFIXES.get(scale, '')}"

    def _whole(self) -> tuple[int, bool]:
        """Return the number rounded away from zero, and whether nothing was lost."""
        if self.scale >= 0 or not self.unscaled:
            return self.unscaled * 10 ** min(max(self.scale, 0), _APART), True
        whole = _divided(abs(self.unscaled), -self.scale)
        exact = _compare(whole, 0, abs(self.unscaled), self.scale) == 0
        return (whole if self.unscaled > 0 else -whole), exact

    def __abs__(self) -> Quantity:
        """Return the number without its sign."""
        return Quantity(abs(self.unscaled), self.scale, self.format, wide=self.wide)

    def __neg__(self) -> Quantity:
        """Return the number with the other sign."""
        return Quantity(-self.unscaled, self.scale, self.format, wide=self.wide)

    def __eq__(self, other: object) -> bool:
        """Tell whether two numbers are equal, whatever their formats."""
        return isinstance(other, Quantity) and self.compare(other) == 0

    def __lt__(self, other: Quantity) -> bool:
        """Tell whether this number is the smaller one."""
        return self.compare(other) < 0

    def __hash__(self) -> int:
        """Hash the number."""
        unscaled, scale = self.unscaled, self.scale
        while unscaled and not unscaled % 10:
            unscaled //= 10
            scale += 1
        return hash((unscaled, scale if unscaled else 0))

    def compare(self, other: Quantity) -> int:
        """Return -1, 0 or 1: how this number stands to the other."""
        return _compare(self.unscaled, self.scale, other.unscaled, other.scale)

    def sign(self) -> int:
        """Return -1, 0 or 1."""
        return (self.unscaled > 0) - (self.unscaled < 0)

    def add(self, other: Quantity) -> Quantity:
        """Return the sum, in the format of this one, or of the other where this one is zero."""
        return self._plus(other.unscaled, other)

    def sub(self, other: Quantity) -> Quantity:
        """Return the difference, in the format of this one, or of the other where this one is zero."""
        return self._plus(-other.unscaled, other)

    __add__ = add
    __sub__ = sub

    def _plus(self, unscaled: int, other: Quantity) -> Quantity:
        form = self.format if self.unscaled else other.format
        wide = self.wide or other.wide
        if not unscaled and not wide:
            return Quantity(self.unscaled, self.scale, form)
        if not self.unscaled and not wide:
            return Quantity(unscaled, other.scale, form)
        scale = min(self.scale, other.scale)
        if max(self.scale, other.scale) - scale > _APART:
            one, two = (Quantity(*pair, form, wide=True) for pair in ((self.unscaled, self.scale), (unscaled, other.scale)))
            return max(one, two, key=abs)
        lifted = self.unscaled * 10 ** (self.scale - scale), unscaled * 10 ** (other.scale - scale)
        wide = wide or not all(-_INT64 <= number < _INT64 for number in (*lifted, sum(lifted)))
        return Quantity(sum(lifted), scale, form, wide=wide)

    def is_integer(self) -> bool:
        """Tell whether the number is a whole one."""
        return self._whole()[1] if self.scale < 0 else True

    def value(self) -> int:
        """Return the number rounded away from zero to a whole one."""
        return self._whole()[0]

    def milli_value(self) -> int:
        """Return a thousand times the number, rounded away from zero."""
        return Quantity(self.unscaled, self.scale + 3).value()

    def as_int64(self) -> int | None:
        """Return the number if Go has it as an int64 without big decimals: AsInt64."""
        if self.wide or self.scale < 0:
            return None
        if not self.unscaled or self.scale > _DIGITS:
            return None if self.unscaled else 0
        number = self.unscaled * 10**self.scale
        return number if -_INT64 <= number < _INT64 else None

    def fraction(self) -> Fraction:
        """Return the number as Python has exact ones."""
        # Only here: the resources of pods and what is counted of them.
        from fractions import Fraction  # noqa: PLC0415 - see above

        return self.unscaled * Fraction(10) ** max(-_APART, min(self.scale, _APART))


_KIBI = Quantity(1024)


def _exponent(suffix: str) -> int:
    """Return the power of ten of `e3` or `E3`. Raises QuantityError if the suffix is none."""
    if len(suffix) < 2 or suffix[0] not in "eE":
        raise QuantityError(SUFFIX_TEXT)
    sign, digits = (suffix[1], suffix[2:]) if suffix[1] in "+-" else ("+", suffix[1:])
    bare = digits.lstrip("0")
    if not digits.isdigit() or len(bare) > _DIGITS + 1:
        raise QuantityError(SUFFIX_TEXT)
    number = int(f"{sign}{bare or 0}")
    if not -_INT64 <= number < _INT64:
        raise QuantityError(SUFFIX_TEXT)
    # Go keeps the lowest 32 bits.
    half = 1 << (_EXPONENT_BITS - 1)
    return (number + half) % (1 << _EXPONENT_BITS) - half


def _integer(digits: str) -> int:
    """Read a number of any length, which Python itself does not."""
    return int(Decimal(digits))


def _length(number: int) -> int:
    """Return how many decimal digits a positive number has, or one more."""
    return number.bit_length() * 30103 // 100000 + 1


def _divided(number: int, power: int) -> int:
    """Divide a positive number by a power of ten, rounding up."""
    if power > _length(number):
        return 1
    return -(-number // int(10**power))


def _compare(number: int, scale: int, other: int, other_scale: int) -> int:
    """Compare two decimals, without working out powers of ten where their lengths tell."""
    signs = (number > 0) - (number < 0), (other > 0) - (other < 0)
    if signs[0] != signs[1]:
        return 1 if signs[0] > signs[1] else -1
    if not number:
        return 0
    if scale != other_scale:
        lengths = _length(abs(number)) + scale, _length(abs(other)) + other_scale
        if abs(lengths[0] - lengths[1]) > 1:
            return signs[0] if lengths[0] > lengths[1] else -signs[0]
        low = min(scale, other_scale)
        number *= 10 ** (scale - low)
        other *= 10 ** (other_scale - low)
    return (number > other) - (number < other)


@functools.lru_cache(_REMEMBERED)
def _remembered(text: str) -> str:
    return str(Quantity.parse(text))


def canonical_quantity(text: str) -> str:
    """Return how Go writes a quantity that it has read.

    Raises:
        QuantityError: the text is none.

    """
    return _remembered(text) if len(text) <= _TEXT_MAX else str(Quantity.parse(text))
