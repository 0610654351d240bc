"""Content negotiation: which codec reads a body and which one writes the answer (FEATURES rows 70 to 79).

Texts and order are those of the reference's negotiation package; PROTOCOL.md sections 5 and 6 list what clients send.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from conversion.codec import CBOR, CBOR_SEQ, JSON, PROTOBUF, YAML, Codec, DecodeError
from conversion.deferred import deferred
from conversion.json_codec import JsonCodec
from watchd.api.message import Request
from watchd.status import Reason, StatusError, bad_request

CODECS: dict[str, Codec] = {
    JSON: JsonCodec(),
    YAML: deferred("conversion.yaml_codec", "YamlCodec", YAML),
    CBOR: deferred("conversion.cbor_codec", "CborCodec", CBOR, stream_media_type=CBOR_SEQ),
}
"""By media type, in order of preference: the first one answers `*/*` and reads bodies without a Content-Type."""

TYPED_CODECS: dict[str, Codec] = {
    **CODECS,
    PROTOBUF: deferred(
        "conversion.protobuf_codec",
        "ProtobufCodec",
        PROTOBUF,
        stream_media_type=f"{PROTOBUF};stream=watch",
        sized_lists=True,
    ),
}
"""The same for objects that protobuf has messages for: built-in kinds, Status, the options, bare metadata."""

MEDIA_TYPES = f"{JSON}, {YAML}, {PROTOBUF}, {CBOR}"
"""What a 406 and a 415 list. The reference names protobuf for every kind, also where it has none."""

STREAM_MEDIA_TYPES = f"{JSON};stream=watch, {PROTOBUF};stream=watch, {CBOR_SEQ}"
"""What the 406 of a watch lists."""

META_GROUP = "meta.k8s.io"
META_VERSIONS = ("v1", "v1beta1")
"""The versions of the transformations, both still served by the reference."""

CACHED_ACCEPT_CHARS = 512
"""Longest Accept header whose outcome is remembered; kubectl's longest has 200."""

CACHED_ACCEPTS = 256
"""Outcomes remembered: clients send a handful of different Accept headers."""

_HUMAN_AGENTS = ("curl", "Wget", "Mozilla/5.0")
"""User-Agents of those who read answers with their own eyes."""

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What strconv.ParseBool takes for true."""


class Clause(msgspec.Struct, frozen=True):
    """One clause of an Accept header."""

    type: str
    subtype: str
    params: Mapping[str, str]
    """Without q."""
    quality: float = 1.0

    def takes(self, media_type: str) -> bool:
        """Tell whether the clause stands for a media type."""
        kind, _, subtype = media_type.partition("/")
        return (self.type == kind and self.subtype in (subtype, "*")) or self.type == self.subtype == "*"


class Transformation(msgspec.Struct, frozen=True):
    """What an answer's objects are to become (`as=` in Accept)."""

    kind: str
    """Table, PartialObjectMetadata or PartialObjectMetadataList; in discovery APIGroupDiscoveryList."""
    version: str
    group: str = META_GROUP


class Accepted(msgspec.Struct, frozen=True):
    """How an answer is written."""

    codec: Codec
    content_type: str
    """Of the answer."""
    pretty: bool = False
    """Whether it is for a person's eyes."""
    transformation: Transformation | None = None

    def encode(self, value: Any) -> bytes:
        """Write one object as the whole body of an answer."""
        text = self.codec.encode_pretty(value) if self.pretty else self.codec.encode(value)
        return text + self.codec.terminator


def parse_accept(header: str) -> list[Clause]:
    """Cut an Accept header into clauses, best first: by quality, wildcards last, else in their order.

    Clauses that are none are passed over, as the reference does.
    """
    out = []
    for text in header.split(","):
        media_type, *params = text.split(";")
        kind, slash, subtype = (part.strip() for part in media_type.partition("/"))
        if not slash and kind == "*":
            subtype = "*"
        if not subtype or "/" in subtype:
            continue
        quality, found = 1.0, {}
        for param in params:
            name, equals, value = param.partition("=")
            name, value = name.strip(), value.strip()
            if not equals or not value or "=" in value:
                continue
            if name == "q":
                quality = _quality(value)
            else:
                found[name] = value
        out.append(Clause(kind, subtype, found, quality))
    out.sort(key=lambda clause: (-clause.quality, clause.type == "*", clause.subtype == "*"))
    return out


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0


def accept(
    request: Request,
    *,
    listing: bool = False,
    watching: bool = False,
    transformations: Collection[str] = (),
    typed: bool = False,
) -> Accepted:
    """Choose how a request is answered.

    Args:
        request: its Accept, User-Agent and `pretty` are looked at.
        listing: whether the answer is a list; the same codecs write it.
        watching: whether it is a stream.
        transformations: kinds that this endpoint can turn its answer into. Clauses that ask for another are passed over.
        typed: whether protobuf has messages for the answer; where it has none, a clause for protobuf is passed over, unless
            it asks for the metadata alone.

    Raises:
        StatusError: 406.

    """
    header = request.headers.get("accept", "")
    choose = _choose if len(header) <= CACHED_ACCEPT_CHARS else _choose.__wrapped__
    asked = frozenset(transformations)
    accepted = choose(header, is_pretty(request), watching, asked, typed)
    if accepted is None:
        if typed and not names_one_of(header, MEDIA_TYPES):
            routed = request.method == "GET" and (listing or watching)
            raise unproduced(f"{MEDIA_TYPES}, {STREAM_MEDIA_TYPES}" if routed else MEDIA_TYPES)
        # A format that is known but cannot stream is refused with the list of those that can.
        known = watching and choose(header, False, False, asked, typed) is not None
        raise not_acceptable(STREAM_MEDIA_TYPES if known else MEDIA_TYPES)
    return accepted


@lru_cache(CACHED_ACCEPTS)
def _choose(
    header: str,
    pretty: bool,  # noqa: FBT001  # a cache's key
    watching: bool,  # noqa: FBT001  # the same
    transformations: frozenset[str],
    typed: bool,  # noqa: FBT001  # the same
) -> Accepted | None:
    for clause in parse_accept(header) if header.strip() else [Clause("*", "*", {})]:
        for media_type, codec in TYPED_CODECS.items():
            if clause.takes(media_type) and (typed or media_type != PROTOBUF or _asks_for_metadata(clause)):
                found = _accepted(clause, codec, transformations, pretty=pretty, watching=watching)
                if found is not None:
                    return found
    return None


def _asks_for_metadata(clause: Clause) -> bool:
    """Tell whether a clause asks for a transformation that has a message whatever the kind."""
    return clause.params.get("as", "").startswith("PartialObjectMetadata")


def _accepted(
    clause: Clause, codec: Codec, transformations: frozenset[str], *, pretty: bool, watching: bool
) -> Accepted | None:
    """Hold a clause's parameters against what can be done, or return None where it must be passed over."""
    params = clause.params
    content_type = codec.stream_media_type if watching else codec.media_type
    if content_type is None or params.get("sv"):
        return None
    if params.get("stream", "watch") != "watch" or ("stream" in params and codec.stream_media_type is None):
        return None
    transformation = transformation_of(params)
    if transformation is not None and not (
        transformation.kind in transformations
        and transformation.group == META_GROUP
        and transformation.version in META_VERSIONS
        and (transformation.kind != "Table" or codec.media_type in (JSON, YAML))
    ):
        return None
    return Accepted(codec, content_type, pretty or params.get("pretty") == "1", transformation)


def transformation_of(params: Mapping[str, str]) -> Transformation | None:
    """Return what the parameters of a clause ask for, or None where they ask for the object itself."""
    if not params.keys() & {"as", "g", "v"}:
        return None
    return Transformation(params.get("as", ""), params.get("v", ""), params.get("g", ""))


def is_pretty(request: Request) -> bool:
    """Tell whether an answer is for a person: `pretty` says so, or where it is not given the User-Agent does."""
    asked = request.param("pretty") if "pretty" in request.raw_query else ""
    return asked in _TRUE if asked else request.headers.get("user-agent", "").startswith(_HUMAN_AGENTS)


def names_one_of(header: str, media_types: str) -> bool:
    """Tell whether an Accept header names one of some formats, whatever its parameters.

    Where it does not, the reference refuses a request of a built-in kind before it looks at it.
    """
    named = {text.partition(";")[0].strip() for text in header.split(",")}
    return not header.strip() or "*/*" in named or not named.isdisjoint(media_types.split(", "))


def unproduced(media_types: str) -> StatusError:
    """406 of a path that is routed by formats."""
    what = f"406: Not Acceptable\n\nAvailable representations: {media_types}"
    return StatusError(Reason.NOT_ACCEPTABLE, what, details=True)


def not_acceptable(media_types: str = MEDIA_TYPES) -> StatusError:
    """406."""
    return StatusError(Reason.NOT_ACCEPTABLE, f"only the following media types are accepted: {media_types}")


def unsupported_media_type(media_types: str = MEDIA_TYPES) -> StatusError:
    """415."""
    what = f"the body of the request was in an unknown format - accepted media types include: {media_types}"
    return StatusError(Reason.UNSUPPORTED_MEDIA_TYPE, what)


def accept_or_json(request: Request) -> Accepted:
    """Choose how an error is answered: as asked for where that can be done, else indented JSON (PROTOCOL.md section 4)."""
    try:
        return accept(request, typed=True)
    except StatusError:
        return Accepted(CODECS[JSON], JSON, pretty=True)


_PARAMETER = re.compile(r"""\s*;\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[^"\\]|\\.)*")""", re.ASCII)


def media_type_of(content_type: str) -> str:
    """Return the media type of a Content-Type, without parameters; "*" where they are malformed: no such type is known."""
    media_type, semicolon, _ = content_type.partition(";")
    names: list[str] = []
    rest = content_type[len(media_type) :] if semicolon else ""
    while match := _PARAMETER.match(rest):
        names.append(match[1].lower())
        rest = rest[match.end() :]
    if rest.strip(" \t;") or rest.count(";") > 1 or len(set(names)) < len(names):
        return "*"
    return media_type.strip().lower()


def content(request: Request, *, typed: bool = False) -> Codec:
    """Return the codec that reads a request's body; a body without Content-Type is JSON.

    `typed` says whether protobuf has a message for it. Raises StatusError (415).
    """
    codecs = TYPED_CODECS if typed else CODECS
    codec = codecs.get(media_type_of(request.headers.get("content-type", "")) or JSON)
    if codec is None:
        raise unsupported_media_type()
    return codec


UNREAD_JSON = "couldn't get version/kind; json parse error: "
"""What stands before the parser's words: the reference reads apiVersion and kind first, and fails there."""


_UNREAD = {JSON: UNREAD_JSON, CBOR: "unable to determine group/version/kind: "}


def unreadable(codec: Codec, error: DecodeError) -> str:
    """Say why a body is no object."""
    return f"{_UNREAD.get(codec.media_type, '')}{error}"


def decode(codec: Codec, body: bytes) -> Any:
    """Decode a body whose fields nobody is warned of. Raises StatusError (400)."""
    try:
        return codec.decode(body).value
    except DecodeError as e:
        raise bad_request(unreadable(codec, e)) from e
