"""What is asked of a webhook by several at once."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from conversion.webhook import Translations, WebhookFailed


class Hook:
    """Answers each review when it is told to."""

    def __init__(self):
        self.sizes = []
        self.failing = False
        self.release = trio.Event()

    async def __call__(self, review):
        asked = review["request"]
        self.sizes.append(len(asked["objects"]))
        await self.release.wait()
        if self.failing:
            raise WebhookFailed("not today")
        objects = [{**obj, "apiVersion": asked["desiredAPIVersion"]} for obj in asked["objects"]]
        response = {"uid": asked["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
        return {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}


@pytest.fixture
def hook():
    return Hook()


@pytest.fixture
def translations(hook):
    return Translations("Thing", ["v1"], hook, lambda: "uid")


def thing(name):
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}}


@pytest.fixture
def ask(translations, nursery):
    """Begin to fetch, and return the list that what comes of it is put in."""

    def begin(*names):
        came = []

        async def fetch():
            try:
                await translations.fetch([thing(name) for name in names], "example.com/v2")
                came.append("converted")
            except WebhookFailed as error:
                came.append(str(error))

        nursery.start_soon(fetch)
        return came

    return begin


FAILED = ["conversion webhook for example.com/v1, Kind=Thing failed: not today"]


async def test_one_asks_for_all_who_want_the_same(hook, ask):
    came = [ask("a", "b") for _ in range(5)]
    await wait_all_tasks_blocked()
    hook.release.set()
    await wait_all_tasks_blocked()
    assert came == [["converted"]] * 5
    assert hook.sizes == [2]


async def test_all_who_want_the_same_fail_together(hook, ask):
    hook.failing = True
    came = [ask("a", "b") for _ in range(5)]
    await wait_all_tasks_blocked()
    more = ask("b", "a", "c")
    await wait_all_tasks_blocked()
    hook.release.set()
    await wait_all_tasks_blocked()
    assert came == [FAILED] * 5
    assert more == FAILED
    assert sorted(hook.sizes) == [1, 2], "a timeout would be met once, and not by each of them in turn"


async def test_who_wants_a_part_of_what_failed_asks_for_it(hook, ask):
    many = ask("a", "b")
    await wait_all_tasks_blocked()
    one = ask("b")
    await wait_all_tasks_blocked()
    assert hook.sizes == [2]
    first, hook.failing, hook.release = hook.release, True, trio.Event()
    first.set()
    await wait_all_tasks_blocked()
    hook.failing = False
    hook.release.set()
    await wait_all_tasks_blocked()
    assert many == FAILED
    assert one == ["converted"], "the other object may be what the webhook stumbled over"
    assert hook.sizes == [2, 1]


async def test_who_waited_for_one_that_left_asks_itself(hook, translations, ask):
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(translations.fetch, [thing("a")], "example.com/v2")
            await wait_all_tasks_blocked()
            came = ask("a")
            await wait_all_tasks_blocked()
            scope.cancel()
    hook.release.set()
    await wait_all_tasks_blocked()
    assert came == ["converted"]
    assert hook.sizes == [1, 1]
