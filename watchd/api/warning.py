"""Warning headers: what a client is told beside the answer (RFC 7234 section 5.5; KEP-1693)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate

MAX_TOTAL = 4 * 1024
"""Characters of all texts together; beyond them texts are cut, and the rest is left out, as in the reference."""

MAX_CUT = 256
"""Characters of a text that is cut."""

_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})


def warning_headers(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return a Warning header for each text, each said once. What no header can hold is left out."""
    said = [text for text in dict.fromkeys(texts) if text]
    if sum(map(len, said)) > MAX_TOTAL:
        said = list(_cut(said))
    return [("warning", f'299 - "{text.translate(_ESCAPES)}"') for text in said if _speakable(text)]


def _cut(texts: Sequence[str]) -> Iterator[str]:
    """Yield what had come when the limit was passed, and of what came later as much as still fits."""
    in_time = next(count for count, total in enumerate(accumulate(map(len, texts)), 1) if total > MAX_TOTAL)
    said = 0
    for count, text in enumerate(texts):
        if count >= in_time and said >= MAX_TOTAL:
            return
        cut = text[:MAX_CUT]
        said += len(cut)
        yield cut


def _speakable(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text)
