"""The forms of names, labels and keys: RFC 1123 and 1035 labels, qualified names, in the reference's words.

Each function returns what is wrong with a value as a list of texts, empty for a good one
(apimachinery's util/validation and api/validate/content; lengths count bytes of UTF-8).
"""

from __future__ import annotations

import re

LABEL_MAX = 63
"""Bytes of a DNS label, a label's value and the name part of a qualified name (RFC 1035 section 2.3.4)."""

SUBDOMAIN_MAX = 253
"""Characters of a DNS name without its last dot (RFC 1035 section 2.3.4: 255 octets on the wire)."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

_label = re.compile(_LABEL).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_dns1035 = re.compile(_DNS1035).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch

_ALNUM = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_QUALIFIED_EXAMPLES = ("MyName", "my.name", "123-abc")


def _too_long(limit: int, unit: str) -> str:
    return f"must be no more than {limit} {unit}"


def _form(text: str, regex: str, *examples: str) -> str:
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {listed}regex used for validation is '{regex}')"


def dns1123_label(value: str) -> list[str]:
    """Check an RFC 1123 label."""
    out = []
    if len(value.encode()) > LABEL_MAX:
        out.append(_too_long(LABEL_MAX, "characters"))
    if not _label(value):
        if _subdomain(value):
            out.append("must not contain dots")
        else:
            text = (
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
                "and must start and end with an alphanumeric character"
            )
            out.append(_form(text, _LABEL, "my-name", "123-abc"))
    return out


def dns1123_subdomain(value: str, *, unit: str = "characters") -> list[str]:
    """Check an RFC 1123 subdomain; `unit` is how the reference names the limit's unit there."""
    out = []
    if len(value.encode()) > SUBDOMAIN_MAX:
        out.append(_too_long(SUBDOMAIN_MAX, unit))
    if not _subdomain(value):
        text = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        out.append(_form(text, _SUBDOMAIN, "example.com"))
    return out


def dns1035_label(value: str) -> list[str]:
    """Check an RFC 1035 label, which starts with a letter."""
    out = []
    if len(value.encode()) > LABEL_MAX:
        out.append(_too_long(LABEL_MAX, "characters"))
    if not _dns1035(value):
        text = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
            "start with an alphabetic character, and end with an alphanumeric character"
        )
        out.append(_form(text, _DNS1035, "my-name", "abc-123"))
    return out


def qualified_name(value: str) -> list[str]:
    """Check a qualified name: `name` or `prefix.example.com/name`."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        text = _form(f"a valid label key {_ALNUM}", _QUALIFIED, *_QUALIFIED_EXAMPLES)
        return [f"{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    out = []
    if slash and not prefix:
        out.append("prefix part must be non-empty")
    elif slash:
        out.extend(f"prefix part {text}" for text in dns1123_subdomain(prefix, unit="bytes"))
    if not name:
        out.append("name part must be non-empty")
    elif len(name.encode()) > LABEL_MAX:
        out.append(f"name part {_too_long(LABEL_MAX, 'bytes')}")
    if not _qualified(name):
        out.append(_form(f"name part {_ALNUM}", _QUALIFIED, *_QUALIFIED_EXAMPLES))
    return out


def label_value(value: str) -> list[str]:
    """Check a label's value."""
    out = []
    if len(value.encode()) > LABEL_MAX:
        out.append(_too_long(LABEL_MAX, "bytes"))
    if not _label_value(value):
        text = f"a valid label must be an empty string or {_ALNUM.removeprefix('must ')}"
        out.append(_form(text, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return out


def path_segment(value: str, *, prefix: bool = False) -> list[str]:
    """Check that a name, or the beginning of one, can stand in a path."""
    if not prefix and value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def config_key(value: str) -> list[str]:
    """Check a key of a ConfigMap's or Secret's data: a file name."""
    out = []
    if len(value.encode()) > SUBDOMAIN_MAX:
        out.append(_too_long(SUBDOMAIN_MAX, "characters"))
    if not _config_key(value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        out.append(_form(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in {".", ".."}:
        out.append(f"must not be '{value}'")
    elif value.startswith(".."):
        out.append("must not start with '..'")
    return out
