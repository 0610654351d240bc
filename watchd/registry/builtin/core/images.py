"""Names of container images, as far as the API server reads them: which tag an image has decides how it is pulled."""

from __future__ import annotations

import re

LATEST = "latest"
"""The tag of images that name none."""

NAME_MAX = 255
"""Characters of the domain and the path of an image (the reference grammar of the distribution specification)."""

_DIGEST_HEX = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of the known digests."""

_DOMAIN_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?", re.ASCII)
_PATH_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REST = re.compile(
    rf"(?P<path>{_PATH_PART}(?:/{_PATH_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


def tag_of(image: str) -> str:
    """Return the tag of an image: `latest` where it has neither a tag nor a digest, empty where it has a digest only or is no name."""
    if _IDENTIFIER.fullmatch(image):
        return ""
    domain, slash, rest = image.partition("/")
    if slash and (any(sign in domain for sign in ".:") or domain == "localhost" or domain.lower() != domain):
        if not _DOMAIN.fullmatch(domain):
            return ""
    else:
        domain, rest = "docker.io", image if slash else f"library/{image}"
    match = _REST.fullmatch(rest)
    if match is None or len(domain) + 1 + len(match["path"]) > NAME_MAX:
        return ""
    if match["digest"]:
        algorithm, _, digits = match["digest"].partition(":")
        good = len(digits) == _DIGEST_HEX.get(algorithm) and digits == digits.lower()
        return (match["tag"] or "") if good else ""
    return match["tag"] or LATEST
