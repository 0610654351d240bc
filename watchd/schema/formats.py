"""The formats of strings and numbers that are enforced: those that the reference enforces for custom resources.

The forms are kube-openapi's (pkg/validation/strfmt) and the parsers of Go's standard library that it calls, also where
they take more than the format's name promises. A format that is not known here holds for every value.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date

from watchd.schema.mailaddress import is_email
from watchd.schema.uri import is_request_uri

HOSTNAME_MAX = 255
"""Bytes of a host name (RFC 1034 section 3.1)."""

LABEL_MAX = 63
"""Bytes of one label of a host name, and of a short name."""

LONG_NAME_MAX = 253
"""Bytes of a DNS name without its last dot (RFC 1035 section 2.3.4)."""

SSN_LENGTH = 11
"""Characters of a social security number: its signs are a must, although the pattern spares them."""


def supported(name: str, types: Sequence[str]) -> str:
    """Return a format where values of the types are held to it, else an empty string."""
    kind = types[0] if len(types) == 1 else ""
    if kind in {"", "string"}:
        return name if _normal(name) in _CHECKS else ""
    return name if name in _NUMBERS.get(kind, ()) else ""


def holds(name: str, text: str) -> bool:
    """Tell whether a string has a format."""
    check = _CHECKS.get(_normal(name))
    return check is None or check(text)


def checker(name: str) -> Callable[[str], bool] | None:
    """Return what tells whether a string has a format, None where there is nothing to tell."""
    return _CHECKS.get(_normal(name))


def _normal(name: str) -> str:
    return name.replace("-", "")


_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def _pattern(text: str, flags: int = 0) -> Callable[[str], bool]:
    match = re.compile(text, flags | re.ASCII).fullmatch
    return lambda value: match(value) is not None


_uuid = "[0-9a-f]{8}-?[0-9a-f]{4}-?%s-?%s-?[0-9a-f]{12}"
_ANY, _VARIANT = "[0-9a-f]{4}", "[89ab][0-9a-f]{3}"
_SHORT_NAME = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_short_name = _pattern(_SHORT_NAME)
_long_name = _pattern(rf"{_SHORT_NAME}(\.{_SHORT_NAME})*")
_BYTE_VALUE = r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"
_ssn = _pattern(r"\d{3}[- ]?\d{2}[- ]?\d{4}")
_credit_card = _pattern(
    r"4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11}"
)
_date = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_time = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")


def _is_date(text: str) -> bool:
    match = _date.fullmatch(text)
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    try:
        # Go has a year 0, a leap year as 2000 is one; Python has none.
        date(year or 2000, month, day)
    except ValueError:
        return False
    return True


def _is_date_time(text: str) -> bool:
    day, sign, rest = text.lower().partition("t")
    match = _time.fullmatch(rest.partition("t")[0])
    if not sign or match is None or not _is_date(day):
        return False
    return match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


_UNITS = ("ns", "us", "µs", "μs", "ms", "s", "m", "h")
_go_duration = re.compile(rf"[-+]?(0|((\d+\.?\d*|\.\d+)({'|'.join(_UNITS)}))+)", re.ASCII)
_short_duration = re.compile(r"\d{1,6}(ns|us|ms|s|m|h)", re.ASCII)
"""What durations mostly are: so few digits are no overflow in any unit."""
_worded_duration = re.compile(r"(\d+)[\t\n\f\r ]*([A-Za-zµ]+)", re.ASCII)
_WORDS = frozenset({"ns", "us", "ms", "s", "m", "h", "hr", "d", "w", "wk"})
_WORD_STARTS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week", "µs")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_INT64_MAX = (1 << 63) - 1


def _is_duration(text: str) -> bool:
    """Tell whether Go's or Scala's forms of a duration are met: `1h30m`, `2 weeks`."""
    if _short_duration.fullmatch(text):
        return True
    if _go_duration.fullmatch(text):
        parts = re.findall(rf"(\d+\.?\d*|\.\d+)({'|'.join(_UNITS)})", text, re.ASCII)
        if sum(int(float(number) * _NANOSECONDS[unit]) for number, unit in parts) <= _INT64_MAX:
            return True
    matches = _worded_duration.findall(text)
    if any(int(number) > _INT64_MAX for number, _ in matches):
        return False
    return any(unit.lower() in _WORDS or unit.lower().startswith(_WORD_STARTS) for _, unit in matches)


def _sloppy_ipv4(text: str) -> bool:
    """Tell whether a text is four numbers; leading zeros are borne, as Go did before 1.17."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) <= 255 for part in parts)


def _is_ipv4(text: str) -> bool:
    return "." in text and (_is_ipv6(text) if ":" in text else _sloppy_ipv4(text))


def _is_ipv6(text: str) -> bool:
    if ":" not in text or "%" in text:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    host, slash, bits = text.partition("/")
    if not slash or not bits.isascii() or not bits.isdigit():
        return False
    if ":" in host:
        return _is_ipv6(host) and int(bits) <= 128
    return _sloppy_ipv4(host) and int(bits) <= 32


_mac = _pattern(
    "|".join(
        f"[0-9a-fA-F]{{2}}({sign}[0-9a-fA-F]{{2}}){{{count}}}" for sign in (":", "-") for count in (5, 7, 19)
    )
    + "|"
    + "|".join(rf"[0-9a-fA-F]{{4}}(\.[0-9a-fA-F]{{4}}){{{count}}}" for count in (2, 3, 9))
)


def _is_hostname(text: str) -> bool:
    """Tell whether a text is a host name; letters and symbols of any script are borne, as the reference does."""
    if len(text.encode()) > HOSTNAME_MAX:
        return False
    parts = text.split(".")
    if any(len(part.encode()) > LABEL_MAX for part in parts):
        return False
    if len(parts) == 1:
        return _word(text) and (text.find("-") in {-1, 1}) and "-" not in text[2:] and (text[-1:] != "-")
    *heads, top = parts
    return len(top) >= 2 and all(map(_letter, top)) and all(_word(part) and part[-1] != "-" for part in heads)


def _word(text: str) -> bool:
    return bool(text) and text[0] != "-" and all(_letter(c) or c in _DIGITS_DASH or _symbol(c) for c in text)


_DIGITS_DASH = frozenset("0123456789-")


def _letter(char: str) -> bool:
    return unicodedata.category(char)[0] == "L"


def _symbol(char: str) -> bool:
    return unicodedata.category(char)[0] == "S"


def _is_credit_card(text: str) -> bool:
    digits = re.sub("[^0-9]+", "", text)
    if not _credit_card(digits):
        return False
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\t\n\f\r -]+", "", text)
    if not re.fullmatch("[0-9]{9}[0-9X]", digits):
        return False
    values = [10 if digit == "X" else int(digit) for digit in digits]
    return sum(index * value for index, value in enumerate(values, 1)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\t\n\f\r -]+", "", text)
    if not re.fullmatch("[0-9]{13}", digits):
        return False
    return sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits)) % 10 == 0


_CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _pattern("[0-9a-fA-F]{24}"),
    "uri": is_request_uri,
    "email": is_email,
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "cidr": _is_cidr,
    "mac": _mac,
    "uuid": _pattern(_uuid % (_ANY, _ANY), re.IGNORECASE),
    "uuid3": _pattern(_uuid % ("3[0-9a-f]{3}", _ANY), re.IGNORECASE),
    "uuid4": _pattern(_uuid % ("4[0-9a-f]{3}", _VARIANT), re.IGNORECASE),
    "uuid5": _pattern(_uuid % ("5[0-9a-f]{3}", _VARIANT), re.IGNORECASE),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_credit_card,
    "ssn": lambda text: len(text) == SSN_LENGTH and _ssn(text),
    "hexcolor": _pattern("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _pattern(rf"rgb\(\s*{_BYTE_VALUE}\s*,\s*{_BYTE_VALUE}\s*,\s*{_BYTE_VALUE}\s*\)"),
    "byte": _pattern("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"),
    "password": lambda _: True,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "k8sshortname": lambda text: len(text) <= LABEL_MAX and _short_name(text),
    "k8slongname": lambda text: len(text) <= LONG_NAME_MAX and _long_name(text),
}
"""The formats of strings by their names without dashes (apiextensions-apiserver pkg/apiserver/validation/formats.go)."""
