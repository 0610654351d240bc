"""The forms of names, labels and keys as kinds ask for them; the forms themselves stand in watchd.names."""

from __future__ import annotations

from watchd.names import (
    LABEL_MAX,
    SUBDOMAIN_MAX,
    config_key,
    dns1035_label,
    dns1123_label,
    dns1123_subdomain,
    label_value,
    path_segment,
    qualified_name,
)
from watchd.registry.strategy import NameFormat

__all__ = [
    "LABEL_MAX",
    "SUBDOMAIN_MAX",
    "config_key",
    "dns1035_label",
    "dns1123_label",
    "dns1123_subdomain",
    "label_value",
    "object_name",
    "path_segment",
    "qualified_name",
]


def object_name(value: str, form: NameFormat, *, prefix: bool = False) -> list[str]:
    """Check an object's name, or with `prefix` a generateName, which may end in a dash."""
    if form is NameFormat.PATH_SEGMENT:
        return path_segment(value, prefix=prefix)
    if prefix and len(value) > 1 and value.endswith("-"):
        value = f"{value[:-2]}a"
    return dns1123_label(value) if form is NameFormat.LABEL else dns1123_subdomain(value)
