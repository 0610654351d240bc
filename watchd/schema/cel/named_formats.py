"""Kubernetes' named formats (format.dns1123Label and so on): what is wrong with a text, in the reference's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import attrs

from watchd import names
from watchd.schema import formats
from watchd.schema.cel.urls import parse_error
from watchd.schema.cel.values import NONE, Opaque, Optional, no_overload

_UUID_SIZE = 69
_BYTE_SIZE = 84
_DATE_TIME_SIZE = 71
_URL_SIZE = 1103


@attrs.frozen
class NamedFormat(Opaque):
    """A format that texts can be held to."""

    name: str
    check: Callable[[str], list[str]] = attrs.field(eq=False)
    pattern_size: int = attrs.field(eq=False)
    """The length of the pattern that costs are counted from."""

    type_name: ClassVar[str] = "kubernetes.NamedFormat"


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    def checked(text: str) -> list[str]:
        return check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)

    return checked


def _plain(name: str, complaint: str) -> Callable[[str], list[str]]:
    return lambda text: [] if formats.holds(name, text) else [complaint]


def _uri(text: str) -> list[str]:
    complaint = parse_error(text)
    return [] if complaint is None else [complaint]


FORMATS = {
    "dns1123Label": NamedFormat("DNS1123Label", names.dns1123_label, 30),
    "dns1123Subdomain": NamedFormat("DNS1123Subdomain", names.dns1123_subdomain, 60),
    "dns1035Label": NamedFormat("DNS1035Label", names.dns1035_label, 30),
    "qualifiedName": NamedFormat("QualifiedName", names.qualified_name, 60),
    "dns1123LabelPrefix": NamedFormat("DNS1123LabelPrefix", _prefix(names.dns1123_label), 30),
    "dns1123SubdomainPrefix": NamedFormat("DNS1123SubdomainPrefix", _prefix(names.dns1123_subdomain), 60),
    "dns1035LabelPrefix": NamedFormat("DNS1035LabelPrefix", _prefix(names.dns1035_label), 30),
    "labelValue": NamedFormat("LabelValue", names.label_value, 40),
    "uri": NamedFormat("URI", _uri, _URL_SIZE),
    "uuid": NamedFormat("uuid", _plain("uuid", "does not match the UUID format"), _UUID_SIZE),
    "byte": NamedFormat("byte", _plain("byte", "invalid base64"), _BYTE_SIZE),
    "date": NamedFormat("date", _plain("date", "invalid date"), _DATE_TIME_SIZE),
    "datetime": NamedFormat("datetime", _plain("datetime", "invalid datetime"), _DATE_TIME_SIZE),
}
"""The formats by the names that expressions use."""


def named(name: str) -> Optional:
    """Return a format by name, if there is one."""
    found = FORMATS.get(name)
    return NONE if found is None else Optional(found, present=True)


def validate(form: Any, text: Any) -> Optional:
    """Return what is wrong with a text, or nothing."""
    if not isinstance(form, NamedFormat) or type(text) is not str:
        raise no_overload()
    found = form.check(text)
    return Optional(found, present=True) if found else NONE
