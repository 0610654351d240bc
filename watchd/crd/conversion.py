"""How the versions of a custom kind reach each other (FEATURES rows 116 and 117)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import trio

from conversion.hub import Spoke
from conversion.webhook import Call, NewUid, Translations, WebhookFailed

Object = dict[str, Any]

Calls = Callable[[Mapping[str, Any], bytes], Call]
"""From a webhook's client config and the PEM of its CA to its call; the composition root passes it in."""


def no_calls(config: Mapping[str, Any], bundle: bytes) -> Call:
    """Return a call that fails, for servers that call no webhooks."""
    del config, bundle

    async def call(review: Object) -> Any:
        del review
        await trio.lowlevel.checkpoint()
        raise WebhookFailed("this server calls no webhooks")

    return call


def translations_of(spec: Mapping[str, Any], calls: Calls, new_uid: NewUid) -> Translations | None:
    """Return what the definition's webhook is asked for, or None for strategy None, where only apiVersion differs."""
    conversion = spec.get("conversion") or {}
    if conversion.get("strategy") != "Webhook":
        return None
    webhook = conversion["webhook"]
    config = webhook["clientConfig"]
    # White space alone is none.
    bundle = base64.b64decode(config.get("caBundle") or "").strip()
    kind = spec["names"]["kind"]
    return Translations(kind, webhook["conversionReviewVersions"], calls(config, bundle), new_uid)


def spokes(spec: Mapping[str, Any], hub: str, translations: Translations | None) -> dict[str, Spoke]:
    """Return the functions between the hub and the other versions; none where only apiVersion differs."""
    if translations is None:
        return {}
    group = spec["group"]

    def towards(version: str) -> Callable[[Object], Object]:
        return partial(translations.convert, target=f"{group}/{version}")

    return {version["name"]: Spoke(towards(hub), towards(version["name"])) for version in spec["versions"] if version["name"] != hub}
