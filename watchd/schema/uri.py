"""The format `uri`: what Go's url.ParseRequestURI takes (RFC 3986, RFC 6874), an absolute URI or an absolute path."""

from __future__ import annotations

import ipaddress
import re
from functools import cache

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_escaped = re.compile(r"(?:[^%]|%[0-9a-fA-F]{2})*", re.DOTALL)
_HOST = r"[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"\x80-\U0010ffff]"
_NAME = rf"(?:{_HOST}|%(?:25|[89a-fA-F][0-9a-fA-F]))*"
_ZONE = rf"%25(?:{_HOST}|%(?:25|20|[89a-fA-F][0-9a-fA-F]|[0-9a-fA-F]{{2}}))*"
_port = re.compile(r"(?::[0-9]*)?")
_user = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")

_compiled = cache(re.compile)
"""Patterns over all of Unicode take milliseconds each: when the first URI is looked at, not at the start."""


def is_request_uri(text: str) -> bool:
    """Tell whether a text is an absolute URI or an absolute path, without control characters."""
    if not text or any(char < " " or char == "\x7f" for char in text):
        return False
    if text == "*":
        return True
    match = _scheme.match(text)
    if text[0] == ":":
        return False
    scheme = match[1].lower() if match is not None else ""
    rest = text[match.end() :] if match is not None else text
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        return bool(scheme)
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if not _authority(authority, scheme):
            return False
        rest = slash + path
    return _escaped.fullmatch(rest) is not None


def _authority(text: str, scheme: str) -> bool:
    user, at, host = text.rpartition("@")
    if at and not (_user.fullmatch(user) and _escaped.fullmatch(user)):
        return False
    bracket = host.rfind("[")
    if bracket > 0:
        return False
    if bracket == 0:
        inside, closed, port = host[1:].rpartition("]")
        return bool(closed) and _port.fullmatch(port) is not None and _literal(inside)
    first, last = host.find(":"), host.rfind(":")
    if first >= 0:
        # Lists of hosts with ports are borne, but not in the schemes of the web.
        port = host[first if scheme in {"http", "https"} else last :]
        if not _port.fullmatch(port):
            return False
    return _compiled(_NAME).fullmatch(host) is not None


def _literal(text: str) -> bool:
    address, percent, zone = text.partition("%25")
    if percent and not (zone and _compiled(_ZONE).fullmatch(percent + zone)):
        return False
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True
