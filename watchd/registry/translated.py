"""Objects of kinds whose versions a webhook converts: fetched before they are shown, loaded or stored.

Everything that decodes is plain code that does not wait; so what it will ask for is fetched first, batch by batch. Other kinds
have nothing to fetch, and cost nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from conversion.webhook import Unconverted, WebhookFailed
from storage.types import Record, Stored
from watchd.registry.kind import Kind
from watchd.registry.value import stored_at_hub
from watchd.registry.view import View, load_hub
from watchd.status import Cause, Reason, StatusError, internal

Object = dict[str, Any]


async def ready(kind: Kind, version: str, items: Sequence[Stored | Record]) -> None:
    """See to it that stored objects can be loaded at a version. Raises StatusError 500 for what the webhook fails with."""
    translations = kind.translations
    if translations is None or not items:
        return
    try:
        await ready_at_hub(kind, items)
        if not kind.is_hub(version):
            await translations.fetch([load_hub(kind, item) for item in items], kind.api_version(version))
    except WebhookFailed as error:
        raise unreadable(error) from error


async def ready_at_hub(kind: Kind, items: Sequence[Stored | Record]) -> None:
    """See to it that stored objects can be loaded at the hub version: those that were stored at an earlier one. Raises StatusError 500."""
    translations = kind.translations
    if translations is None:
        return
    hub = str(kind.hub_gvk.group_version)
    others = (orjson.loads(item.body) for item in items if not stored_at_hub(kind, item))
    old = [obj for obj in others if _convertible(kind, obj)]
    try:
        await translations.fetch(old, hub)
    except WebhookFailed as error:
        raise unreadable(error) from error


async def wanted(view: View, items: Sequence[Stored]) -> list[Stored]:
    """Return those of stored objects that a view selects, ready to be shown. Raises StatusError 500."""
    await ready_at_hub(view.kind, items)
    found = [item for item in items if view.wants(item)]
    await ready(view.kind, view.version, found)
    return found


def _convertible(kind: Kind, obj: Object) -> bool:
    """Tell whether an object's version is still one of its kind."""
    return obj["kind"] == kind.hub_gvk.kind and kind.version(obj["apiVersion"].rpartition("/")[2]) is not None


async def to_hub(kind: Kind, obj: Object, version: str) -> Object:
    """Convert an object to the form that is stored, as `Kind.to_hub` does. Raises StatusError 500, ConversionError."""
    if kind.is_hub(version):
        return obj
    if kind.translations is not None:
        try:
            await kind.translations.fetch([obj], str(kind.hub_gvk.group_version))
        except WebhookFailed as error:
            raise internal(str(error)) from error
    return kind.to_hub(obj, version)


async def from_hub(kind: Kind, obj: Object, version: str) -> Object:
    """Convert an object from the form that is stored, as `Kind.from_hub` does. Raises StatusError 500, ConversionError."""
    if kind.translations is not None:
        try:
            await kind.translations.fetch([obj], kind.api_version(version))
        except WebhookFailed as error:
            raise unreadable(error) from error
    return kind.from_hub(obj, version)


async def fetch(missing: Unconverted) -> None:
    """Fetch what plain code has missed: owners of fields are looked for at versions that nobody else asks for. Raises StatusError 500."""
    try:
        await missing.fetch()
    except WebhookFailed as error:
        raise internal(str(error)) from error


def unreadable(error: WebhookFailed) -> StatusError:
    """Return what is answered where a stored object cannot be shown."""
    text = str(error)
    return StatusError(Reason.INTERNAL_ERROR, f"Internal error occurred: {text}", causes=[Cause("", text)])
