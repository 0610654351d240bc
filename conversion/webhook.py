"""Conversion by webhook: ConversionReview out and in, and what has been converted. The call itself is passed in.

Functions between versions are pure and do not wait (conversion.hub); a webhook is waited for. So what is to be converted
is fetched first, in batches, and kept; a function that does not find its object raises Unconverted, which knows how to fetch it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Any

import msgspec
import orjson
import trio

from conversion.codec import Object
from conversion.errors import ConversionError

REVIEW_GROUP = "apiextensions.k8s.io"
REVIEW_VERSIONS = ("v1", "v1beta1")
"""Versions of ConversionReview that can be spoken."""

BATCH_OBJECTS = 500
"""Objects in one review: as many as a list reads in one go."""

KEPT_BYTES = 32 << 20
"""Bytes of converted objects that a kind keeps: those of its busy objects, and of a list while it is sent."""

Call = Callable[[Object], Awaitable[Any]]
"""Sends a ConversionReview and returns what came back, decoded. Raises WebhookFailed."""

NewUid = Callable[[], str]


class WebhookFailed(ConversionError):
    """The webhook could not be asked, or did not answer as it has to; the message is the reference's."""


class Unconverted(Exception):
    """An object that a webhook has to convert first: `fetch`, and try again. Nobody who handles failed conversions sees it."""

    def __init__(self, translations: Translations, obj: Object, target: str) -> None:
        super().__init__(f"not yet converted to {target}")
        self.translations, self.obj, self.target = translations, obj, target

    async def fetch(self) -> None:
        """Have it converted. Raises WebhookFailed."""
        await self.translations.fetch([self.obj], self.target)


class _Review(msgspec.Struct, eq=False):
    """A review under way."""

    keys: frozenset[bytes]
    """Of the objects that it asks for."""
    ended: trio.Event = msgspec.field(default_factory=trio.Event)
    failure: WebhookFailed | None = None


class Translations(msgspec.Struct, eq=False):
    """What a webhook made of a kind's objects, by their content and the version asked for."""

    kind: str
    review_versions: Sequence[str]
    """Those that the webhook understands, in its order of preference."""
    call: Call
    new_uid: NewUid
    _kept: OrderedDict[bytes, bytes] = msgspec.field(default_factory=OrderedDict)
    _bytes: int = 0
    _asked: dict[bytes, _Review] = msgspec.field(default_factory=dict)
    """The reviews under way, by what they ask for."""

    def convert(self, obj: Object, target: str) -> Object:
        """Return an object at a version (`example.com/v1`). Raises Unconverted."""
        if obj["apiVersion"] == target:
            return obj
        key = _key(obj, target)
        found = self._kept.get(key)
        if found is None:
            raise Unconverted(self, obj, target)
        self._kept.move_to_end(key)
        converted: Object = orjson.loads(found)
        return converted

    async def fetch(self, objects: Sequence[Object], target: str) -> None:
        """Have the webhook convert what is not kept yet, in batches; what somebody else is fetching is waited for.

        Raises WebhookFailed, with nothing kept of the batch that failed. Those who wait fail with the one who asks: a thousand
        watchers of one event would else meet a webhook's timeout one after the other.
        """
        wanted = {_key(obj, target): obj for obj in objects if obj["apiVersion"] != target}
        while missing := [key for key in wanted if key not in self._kept]:
            mine = [key for key in missing if key not in self._asked]
            if not mine:
                review = self._asked[missing[0]]
                await review.ended.wait()
                # One that asked for more may have failed for what is not wanted here, and one may have been cancelled.
                if review.failure is not None and review.keys <= wanted.keys():
                    raise WebhookFailed(str(review.failure)) from review.failure
            for start in range(0, len(mine), BATCH_OBJECTS):
                await self._fetch({key: wanted[key] for key in mine[start : start + BATCH_OBJECTS]}, target)
        self._forget(wanted)

    async def _fetch(self, batch: dict[bytes, Object], target: str) -> None:
        review = _Review(frozenset(batch))
        self._asked.update(dict.fromkeys(batch, review))
        try:
            converted = await self._ask(list(batch.values()), target)
        except WebhookFailed as error:
            review.failure = error
            raise
        finally:
            for key in batch:
                del self._asked[key]
            review.ended.set()
        for key, obj in zip(batch, converted, strict=True):
            body = orjson.dumps(obj)
            self._kept[key] = body
            self._bytes += len(body)

    def _forget(self, fresh: Container[bytes]) -> None:
        """Keep within the bound, but what has just been asked for."""
        for key in list(self._kept):
            if self._bytes <= KEPT_BYTES:
                break
            if key not in fresh:
                self._bytes -= len(self._kept.pop(key))

    async def _ask(self, objects: list[Object], target: str) -> list[Object]:
        source = objects[0]["apiVersion"]
        about = f"conversion webhook for {source}, Kind={self.kind}"
        version = next((name for name in self.review_versions if name in REVIEW_VERSIONS), None)
        if version is None:
            raise WebhookFailed("no supported conversion review versions")
        uid = self.new_uid()
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"{REVIEW_GROUP}/{version}",
            "request": {"uid": uid, "desiredAPIVersion": target, "objects": objects},
        }
        try:
            answered = await self.call(review)
            found = _answer(answered, version, uid)
        except WebhookFailed as error:
            raise WebhookFailed(f"{about} failed: {error}") from error
        if len(found) != len(objects):
            raise WebhookFailed(f"{about} returned {len(found)} objects, expected {len(objects)}")
        single = len(objects) == 1
        return [
            _checked(about, original, obj, target, "" if single else f" at index {index}")
            for index, (original, obj) in enumerate(zip(objects, found, strict=True))
        ]


def _key(obj: Object, target: str) -> bytes:
    # In the order of its keys: an object that is stored always comes in the same.
    return hashlib.blake2b(orjson.dumps([target, obj]), digest_size=16).digest()


def _answer(review: Any, version: str, uid: str) -> list[Any]:
    """Return the objects of a review that came back. Raises WebhookFailed."""
    if not isinstance(review, dict):
        raise WebhookFailed("the response is no ConversionReview")
    if version == "v1":
        got = f"{review.get('apiVersion', '')}, Kind={review.get('kind', '')}"
        expected = f"{REVIEW_GROUP}/{version}, Kind=ConversionReview"
        if got != expected:
            raise WebhookFailed(f"expected webhook response of {expected}, got {got}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise WebhookFailed("no response provided")
    if version == "v1" and response.get("uid") != uid:
        raise WebhookFailed(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    result = response.get("result")
    status = result.get("status", "") if isinstance(result, dict) else ""
    if status != "Success":
        message = result.get("message") if isinstance(result, dict) else ""
        raise WebhookFailed(str(message) if message else f"response.result.status was '{status}', not 'Success'")
    found = response.get("convertedObjects")
    return found if isinstance(found, list) else []


def _checked(about: str, original: Object, converted: Any, target: str, where: str) -> Object:
    """Return a converted object with the metadata of the original, labels and annotations excepted. Raises WebhookFailed."""
    invalid = f"{about} returned invalid {'converted ' if where else ''}object{where}"
    if not isinstance(converted, dict):
        raise WebhookFailed(f"{invalid}: it is no object")
    for field, name, expected in (("apiVersion", "groupVersion", target), ("kind", "kind", original["kind"])):
        if converted.get(field) != expected:
            raise WebhookFailed(f"{invalid}: invalid {name} (expected {expected}, received {converted.get(field, '')})")
    meta, before = converted.get("metadata"), original["metadata"]
    bad_metadata = f"{about} returned invalid metadata{' in object' + where if where else ''}"
    if not isinstance(meta, dict):
        raise WebhookFailed(f"{bad_metadata}: missing metadata in converted object")
    for field, name in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        had, has = before.get(field) or "", meta.get(field) or ""
        if had != has:
            raise WebhookFailed(f"{invalid}: must have the same {name}: {had} != {has}")
    return {**converted, "metadata": _restored(before, meta, bad_metadata)}


def _restored(before: Object, meta: Object, invalid: str) -> Object:
    """Return metadata as they were, with the labels and annotations of others. Raises WebhookFailed."""
    kept = {name: value for name, value in before.items() if name not in ("labels", "annotations")}
    for name in ("labels", "annotations"):
        value = meta.get(name)
        if value is None:
            continue
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise WebhookFailed(f"{invalid}: metadata.{name} is no map of strings")
        kept[name] = value
    return kept
