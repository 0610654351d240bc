"""OpenID discovery: where others find the key that signs tokens of ServiceAccounts (FEATURES row 129; KEP-1393)."""

from __future__ import annotations

from functools import cached_property

import orjson

from conversion.codec import JSON
from watchd.api.discovery import page_not_found
from watchd.api.message import Request, Response
from watchd.api.negotiate import names_one_of, unproduced
from watchd.auth.authentication import ISSUER
from watchd.auth.jwt import ALGORITHM, SigningKey
from watchd.status import method_not_allowed

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"

KEYS_TYPE = "application/jwk-set+json"

KEPT_SECONDS = 3600
"""How long others may keep the answers: as the reference, an hour."""


class OpenIDPages:
    """Answers /.well-known/openid-configuration and /openid/v1/jwks."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @cached_property
    def _keys(self) -> bytes:
        return orjson.dumps({"keys": [self._key.jwk()]})

    async def handle(self, request: Request) -> Response:
        """Answer a request that was let through. Raises StatusError 405, 406."""
        path = request.path
        if path not in (CONFIGURATION, KEYS):
            return page_not_found()
        if request.method != "GET":
            raise method_not_allowed()
        media_type = KEYS_TYPE if path == KEYS else JSON
        if not names_one_of(request.headers.get("accept", ""), media_type):
            raise unproduced(media_type)
        body = self._keys if path == KEYS else _configuration(request.headers.get("host", ""))
        return Response(200, [("content-type", media_type), ("cache-control", f"public, max-age={KEPT_SECONDS}")], body)


def _configuration(host: str) -> bytes:
    """Return the provider's metadata; the keys are where it was itself found."""
    return orjson.dumps(
        {
            "issuer": ISSUER,
            "jwks_uri": f"https://{host}{KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
    )
