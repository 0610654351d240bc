"""URLs, as Go's net/url reads them."""

from __future__ import annotations

import re
from typing import ClassVar
from urllib.parse import unquote, unquote_plus

import attrs

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.values import Opaque, no_overload
from watchd.schema.uri import is_request_uri
from watchd.status import go_quote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_PORT = re.compile(r":[0-9]*$")
_UNESCAPED = re.compile(r"[A-Za-z0-9\-_.~$&+,/:;=@!'()*\[\]]")


@attrs.frozen
class Url(Opaque):
    """A URL."""

    text: str
    scheme: str
    host: str
    path: str
    query: str

    type_name: ClassVar[str] = "kubernetes.URL"

    def __str__(self) -> str:
        """Return the text that was parsed."""
        return self.text


def parse_error(text: str) -> str | None:
    """Return what Go's ParseRequestURI says of a text, or None for a good one."""
    if is_request_uri(text):
        return None
    return f"parse {go_quote(text)}: {_complaint(text)}"


def _complaint(text: str) -> str:  # noqa: C901, PLR0911 - a table of cases
    if not text:
        return "empty url"
    if any(char < " " or char == "\x7f" for char in text):
        return "net/url: invalid control character in URL"
    if text[0] == ":":
        return "missing protocol scheme"
    match = _SCHEME.match(text)
    rest = text[match.end() :] if match else text
    rest = rest.partition("?")[0]
    if match is None and not rest.startswith("/"):
        if ":" in rest.partition("/")[0] and not rest[0].isalpha():
            return "first path segment in URL cannot contain colon"
        return "invalid URI for request"
    if match is not None and rest.startswith("//"):
        authority = rest[2:].partition("/")[0].rpartition("@")[2]
        port = authority.rpartition(":")[2] if ":" in authority.rpartition("]")[2] else ""
        if port and not port.isdigit():
            return f"invalid port {go_quote(':' + port)} after host"
        if authority.startswith("[") and "]" not in authority:
            return "missing ']' in host"
        odd = next((char for char in authority if char in " {}|\\^`"), "")
        if odd:
            return f"invalid character {go_quote(odd)} in host name"
    bad = _BAD_ESCAPE.search(text)
    if bad is not None:
        return f"invalid URL escape {go_quote(bad[0])}"
    return "invalid URI for request"


def parse(text: str) -> Url:
    """Parse a URL.

    Raises:
        EvaluationError: it is none.

    """
    if type(text) is not str:
        raise no_overload()
    complaint = parse_error(text)
    if complaint is not None:
        raise EvaluationError(f"URL parse error during conversion from string: {complaint}")
    whole = text.partition("#")[0]
    match = _SCHEME.match(whole)
    scheme = match[1].lower() if match else ""
    rest, _, query = (whole[match.end() :] if match else whole).partition("?")
    host, path = "", rest
    if rest.startswith("//") and (match or not rest.startswith("///")):
        authority, slash, tail = rest[2:].partition("/")
        host, path = unquote(authority.rpartition("@")[2]), slash + tail
    elif scheme and not rest.startswith("/"):
        path = ""
    return Url(text, scheme, host, path, query)


def is_url(text: str) -> bool:
    """Tell whether a text is a URL."""
    if type(text) is not str:
        raise no_overload()
    return is_request_uri(text)


def _url(value: Url) -> Url:
    if not isinstance(value, Url):
        raise no_overload()
    return value


def scheme_of(url: Url) -> str:
    """Return the scheme."""
    return _url(url).scheme


def host_of(url: Url) -> str:
    """Return host and port."""
    return _url(url).host


def hostname_of(url: Url) -> str:
    """Return the host without port and brackets."""
    host = _PORT.sub("", _url(url).host) if not url.host.endswith("]") else url.host
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def port_of(url: Url) -> str:
    """Return the port, or the empty text."""
    found = _PORT.search(_url(url).host)
    return found[0][1:] if found and not url.host.endswith("]") else ""


def path_of(url: Url) -> str:
    """Return the path, escaped."""
    path = _url(url).path
    if all(_UNESCAPED.match(char) for char in path.replace("%", "")):
        return path
    plain = unquote(path)
    return "".join(
        char if _UNESCAPED.match(char) else "".join(f"%{byte:02X}" for byte in char.encode()) for char in plain
    )


def query_of(url: Url) -> dict[str, list[str]]:
    """Return the parameters of the query."""
    out: dict[str, list[str]] = {}
    for part in _url(url).query.split("&"):
        if not part or ";" in part or _BAD_ESCAPE.search(part):
            continue
        key, _, value = part.partition("=")
        out.setdefault(unquote_plus(key), []).append(unquote_plus(value))
    return out
