"""Codecs that are imported when a body is first read or written with them: most servers speak one format, and start faster for it."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from conversion.codec import Codec


class _Deferred:
    """Stands for a codec: says what it is chosen by, and takes its methods over one by one as they are first called."""

    def __init__(self, module: str, name: str, media_type: str, stream_media_type: str | None, *, sized_lists: bool) -> None:
        self._module = module
        self._name = name
        self.media_type = media_type
        self.stream_media_type = stream_media_type
        self.terminator = b""
        self.sized_lists = sized_lists

    @cached_property
    def _codec(self) -> Any:
        return getattr(import_module(self._module), self._name)()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Questions of copy and pickle, say, are no reason to import anything.
            raise AttributeError(name)
        method = getattr(self._codec, name)
        # From now on a call costs what it does without this class.
        setattr(self, name, method)
        return method


def deferred(
    module: str, name: str, media_type: str, *, stream_media_type: str | None = None, sized_lists: bool = False
) -> Codec:
    """Return a codec by the name of its class and its module; what it is chosen by must be said, and the same, here."""
    return cast("Codec", _Deferred(module, name, media_type, stream_media_type, sized_lists=sized_lists))
