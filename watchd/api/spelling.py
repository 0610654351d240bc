"""How the values of a JSON patch are spelled: the reference's `test` compares scalars by their text (evanphx/json-patch v4).

It holds the text of the patch against what Go's encoding/json writes for the object, so that 1.0 is not 1, and `<` is not
the escape that it writes. What an operation puts in keeps its text for the tests behind it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from conversion.json_codec import JsonCodec
from watchd.status import go_json

_SUSPECT = re.compile(rb"[\\<>&]|\xe2\x80[\xa8\xa9]|[0-9][.eE]|-0|[0-9]{16}")
"""What any value has in it that is spelled otherwise than encoding/json would; others have it too."""

_EXPONENTS = (1e-6, 1e21)
"""Floating point numbers below or from these on are written with an exponent by encoding/json."""

_HTML = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""What encoding/json escapes in texts that it copies."""

_CODEC = JsonCodec()
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


@attrs.frozen
class Spelled:
    """A number or string that is spelled otherwise than the server would. Equal to what has the same text."""

    text: str
    value: Any = attrs.field(eq=False)

    def copied(self) -> Any:
        """Return what a `copy` makes of it: the text with a few characters escaped."""
        text = self.text.translate(_HTML)
        return self.value if text == _canonical(self.value) else Spelled(text, self.value)


def spell_values(body: bytes, operations: Any) -> None:
    """Put Spelled values into the operations of a patch that has tests, in place. `operations` is what `body` holds."""
    if not isinstance(operations, list) or not any(
        isinstance(item, dict) and item.get("op") == "test" for item in operations
    ):
        return
    try:
        raws = _LIST.decode(body)
        for raw, operation in zip(raws, operations, strict=True):
            if isinstance(operation, dict) and "value" in operation and _SUSPECT.search(raw):
                operation["value"] = _spell(bytes(_OBJECT.decode(raw)["value"]))
    except (msgspec.DecodeError, ValueError, LookupError):
        # What only one of two parsers reads has no spelling of its own.
        return


def _spell(raw: bytes) -> Any:
    if _SUSPECT.search(raw):
        match raw[:1]:
            case b"{":
                return {name: _spell(bytes(below)) for name, below in _OBJECT.decode(raw).items()}
            case b"[":
                return [_spell(bytes(below)) for below in _LIST.decode(raw)]
    value = _CODEC.decode(raw).value
    if isinstance(value, dict | list):
        return value
    text = raw.decode()
    return value if text == _canonical(value) else Spelled(text, value)


def _canonical(value: Any) -> str:
    """Write a scalar as encoding/json does."""
    if not isinstance(value, float) or value.is_integer():
        return go_json(value)
    low, high = _EXPONENTS
    if low <= abs(value) < high:
        return f"{Decimal(repr(value)):f}"
    mantissa, _, exponent = f"{Decimal(repr(value)):e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"


def copied(value: Any) -> Any:
    """Return a deep copy, texts as a `copy` operation leaves them."""
    if isinstance(value, dict):
        return {name: copied(below) for name, below in value.items()}
    if isinstance(value, list):
        return [copied(below) for below in value]
    return value.copied() if isinstance(value, Spelled) else value


def plain(value: Any) -> Any:
    """Return a value without spellings; what has none is shared."""
    if isinstance(value, dict):
        changed = {name: new for name, below in value.items() if (new := plain(below)) is not below}
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        out = [plain(below) for below in value]
        return out if any(new is not below for new, below in zip(out, value, strict=True)) else value
    return value.value if isinstance(value, Spelled) else value
