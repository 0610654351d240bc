"""The HTTP client for webhooks: what is sent where, over TLS that the webhook's own CA vouches for, and in which time.

Used by conversion (FEATURES row 117). A webhook is whoever a definition names: nothing of it is trusted but its bytes, and of
those so many.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import trio

from conversion.webhook import WebhookFailed

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 30.0
"""For one call, as the reference has it (apiextensions-apiserver, the client of conversion webhooks)."""

RETRY_SECONDS = 0.1
"""Before a call whose connection failed is tried once more: a webhook that is being restarted comes back about then."""

ANSWER_BYTES = 64 << 20
"""The largest answer: a batch of the largest objects fits."""

CLIENTS = 64
"""Webhooks whose connections are kept."""


class Target(msgspec.Struct, frozen=True):
    """Where a webhook is (WebhookClientConfig)."""

    url: str
    ca_bundle: bytes = b""
    """PEM, or nothing for the authorities that the machine trusts."""

    @classmethod
    def of(cls, config: Mapping[str, Any], ca_bundle: bytes) -> Target:
        """Read a client config that has been validated."""
        if config.get("url"):
            return cls(config["url"], ca_bundle)
        service = config["service"]
        path = (service.get("path") or "").lstrip("/")
        host = f"{service['name']}.{service['namespace']}.svc"
        return cls(f"https://{host}:{service.get('port') or 443}/{path}", ca_bundle)


class Webhooks:
    """Calls webhooks, and keeps their connections. Made by `open_webhooks`."""

    def __init__(self) -> None:
        self._clients: dict[Target, httpx.AsyncClient] = {}

    async def call(self, target: Target, review: dict[str, Any]) -> Any:
        """Post a review; return the answer, decoded. Raises WebhookFailed."""
        body = orjson.dumps(review)
        # Of the whole call; the client's own bounds single waits.
        with trio.move_on_after(TIMEOUT_SECONDS):
            return await self._sent(target, body)
        raise WebhookFailed(f'Post "{target.url}?timeout={TIMEOUT_SECONDS:.0f}s": context deadline exceeded')

    async def aclose(self) -> None:
        """Close all connections."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    async def _sent(self, target: Target, body: bytes) -> Any:
        # Not worth half of the start for a server without webhooks.
        import httpx  # noqa: PLC0415 - see above

        client = await self._client(target)
        about = f'Post "{target.url}?timeout={TIMEOUT_SECONDS:.0f}s"'
        for last in (False, True):
            try:
                return await _post(client, target.url, body)
            except httpx.TransportError as error:
                if last:
                    raise WebhookFailed(f"{about}: {_reason(error)}") from error
            await trio.sleep(RETRY_SECONDS)
        raise AssertionError("unreachable")

    async def _client(self, target: Target) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - as in _sent

        found = self._clients.get(target)
        if found is None:
            try:
                context = ssl.create_default_context(cadata=target.ca_bundle.decode() or None)
            except (ssl.SSLError, ValueError) as error:
                raise WebhookFailed(f"unable to load root certificates: {error}") from error
            while len(self._clients) >= CLIENTS:
                old = next(iter(self._clients))
                await self._clients.pop(old).aclose()
            found = self._clients[target] = httpx.AsyncClient(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False)
        return found


def _reason(error: BaseException) -> str:
    """Say what is at the bottom of a failed call: the operating system's words, or those of TLS."""
    bottom = error
    while True:
        below = bottom.exceptions[0] if isinstance(bottom, BaseExceptionGroup) else bottom.__cause__ or bottom.__context__
        if below is None:
            break
        bottom = below
    text = bottom.strerror if isinstance(bottom, OSError) and bottom.strerror else str(bottom)
    return text or str(error) or type(error).__name__


async def _post(client: httpx.AsyncClient, url: str, body: bytes) -> Any:
    headers = {"content-type": "application/json", "accept": "application/json"}
    async with client.stream("POST", url, content=body, params={"timeout": f"{TIMEOUT_SECONDS:.0f}s"}, headers=headers) as answer:
        parts, size = [], 0
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > ANSWER_BYTES:
                raise WebhookFailed(f"the answer is larger than {ANSWER_BYTES} bytes")
            parts.append(part)
    data = b"".join(parts)
    if not 200 <= answer.status_code < 300:
        raise WebhookFailed(_refusal(answer.status_code, data))
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise WebhookFailed(f"the answer is no JSON: {error}") from error


def _refusal(code: int, data: bytes) -> str:
    """Say what the reference's client says of an answer that is none of success."""
    if code >= 500:
        return f"an error on the server ({data.decode(errors='replace')[:1024]!r}) has prevented the request from succeeding".replace("'", '"')
    return {
        404: "the server could not find the requested resource",
        401: "the server has asked for the client to provide credentials",
        403: "forbidden",
    }.get(code, f"the server responded with the status code {code} but did not return more information")


@asynccontextmanager
async def open_webhooks() -> AsyncIterator[Webhooks]:
    """Give the webhooks' client, and close it at the end."""
    webhooks = Webhooks()
    try:
        yield webhooks
    finally:
        with trio.CancelScope(shield=True):
            await webhooks.aclose()


def caller(webhooks: Webhooks, config: Mapping[str, Any], ca_bundle: bytes) -> Any:
    """Return the call of one webhook (conversion.webhook.Call)."""
    return partial(webhooks.call, Target.of(config, ca_bundle))
