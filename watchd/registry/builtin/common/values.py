"""Small values of several kinds, checked in the reference's words: names, ids, ranges, paths of files."""

from __future__ import annotations

import re

from watchd.names import SUBDOMAIN_MAX, dns1123_label, dns1123_subdomain
from watchd.registry.builtin.common.fields import invalid
from watchd.status import FieldError, FieldProblem

ID_MAX = (1 << 31) - 1
"""The largest id of a user or a group that Linux is given."""

INT32_MAX = (1 << 31) - 1

_HEADER = re.compile(r"[-A-Za-z0-9]+", re.ASCII)
_UNDERSCORED = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORED_NAME = rf"{_UNDERSCORED}(\.{_UNDERSCORED})*"


def label(value: str, path: str) -> list[FieldError]:
    """Check an RFC 1123 label."""
    return [invalid(path, value, text) for text in dns1123_label(value)]


def subdomain(value: str, path: str) -> list[FieldError]:
    """Check an RFC 1123 subdomain."""
    return [invalid(path, value, text) for text in dns1123_subdomain(value)]


def underscored_subdomain(value: str, path: str) -> list[FieldError]:
    """Check a subdomain that may have underscores, as search paths of DNS do."""
    out = []
    if len(value.encode()) > SUBDOMAIN_MAX:
        out.append(invalid(path, value, f"must be no more than {SUBDOMAIN_MAX} characters"))
    if not re.fullmatch(_UNDERSCORED_NAME, value, re.ASCII):
        why = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end "
            f"with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_UNDERSCORED_NAME}')"
        )
        out.append(invalid(path, value, why))
    return out


def header_name(name: str, path: str) -> list[FieldError]:
    """Check the name of an HTTP header."""
    if _HEADER.fullmatch(name):
        return []
    why = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
    return [invalid(path, name, why)]


def variable_name(name: str, path: str) -> list[FieldError]:
    """Check the name of an environment variable, or the beginning of one."""
    if name.isascii() and name.isprintable() and "=" not in name:
        return []
    return [invalid(path, name, "a valid environment variable name must consist only of printable ASCII characters other than '='")]


def within(value: int, low: int, high: int, path: str) -> list[FieldError]:
    """Check a number between two others."""
    return [] if low <= value <= high else [invalid(path, value, f"must be between {low} and {high}, inclusive")]


def user_or_group(number: int | None, path: str) -> list[FieldError]:
    """Check the id of a user or a group; none is fine."""
    return [] if number is None else within(number, 0, ID_MAX, path)


def not_found(path: str, value: str, detail: str = "") -> FieldError:
    """Return the error of a name that is not among those there are."""
    return FieldError(FieldProblem.NOT_FOUND, path, value, detail)


def too_long(path: str, limit: int) -> FieldError:
    """Return the error of a text of more bytes than there may be."""
    return FieldError(FieldProblem.TOO_LONG, path, None, f"may not be more than {limit} bytes")


def no_backsteps(value: str, path: str) -> list[FieldError]:
    """Check that a path has no `..` in it."""
    return [invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def descending_path(value: str, path: str) -> list[FieldError]:
    """Check a path that must stay below where it starts."""
    relative: list[FieldError] = [invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return relative + no_backsteps(value, path)


def local_path(value: str, path: str) -> list[FieldError]:
    """Check the path of a file in a volume, whose own files begin with `..`."""
    out = descending_path(value, path)
    if value.startswith("..") and not value.startswith("../"):
        out.append(invalid(path, value, "must not start with '..'"))
    return out
