"""What is stored: its layout, its header, and that both ways of reading it agree."""

from __future__ import annotations

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.cbor_codec import CborCodec
from conversion.json_codec import JsonCodec
from storage.types import NOTHING, KindId, Op, Revision, Stored, Write, make_key, stamp
from tests.builtin import builtin
from watchd.api.selection import Selection
from watchd.api.selectors import FieldSelector
from watchd.registry.kind import Kind, Names, Version
from watchd.registry.value import canonical, encode, head_of, header_of, tag_of
from watchd.registry.view import View, load

CONFIG_MAP, SECRET, EVENT = builtin("", "configmaps"), builtin("", "secrets"), builtin("", "events")
NEW_EVENT = builtin("events.k8s.io", "events")

CUSTOM = Kind(
    group="e.com",
    names=Names("things", "Thing"),
    versions=(Version("v1", selectable_fields=("spec.color", "spec.size")), Version("v2")),
    hub="v1",
    custom=True,
)


def stored(kind, obj, revision=42, path="default/a"):
    value = encode(kind, obj, time_ms=0)
    return Stored(make_key(KindId(1), path), Revision(revision), Revision(1), value.header, stamp(value.body, value.stamp_at, revision), value.stamp_at)


def at(kind, version="", **fields):
    gvk = kind.hub_gvk
    return {"apiVersion": str(gvk.group_version), "kind": gvk.kind, "metadata": {"name": "a", "namespace": "default"}, **fields}


@pytest.mark.parametrize("kind", [CONFIG_MAP, SECRET, CUSTOM])
def test_layout_begins_with_what_can_be_cut_and_stamped(kind):
    obj = at(kind, data={"x": "y"})
    obj["metadata"]["resourceVersion"] = "7"
    value = stored(kind, obj, revision=1234567)
    gvk = kind.hub_gvk
    head = f'{{"apiVersion":"{gvk.group_version}","kind":"{gvk.kind}",'
    assert value.body.startswith(f'{head}"metadata":{{"resourceVersion":"1234567","name":"a",'.encode())
    assert value.body[value.stamp_at :].startswith(b'1234567"')
    assert value.body.count(b"resourceVersion") == 1
    assert header_of(value.header).prefix == len(head) - 1
    assert b"{" + value.body[1 + header_of(value.header).prefix :] == value.body.replace(head.encode(), b"{", 1)


def test_object_without_anything_but_metadata():
    assert orjson.loads(stored(CONFIG_MAP, at(CONFIG_MAP)).body) == {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": "42", "name": "a", "namespace": "default"},
    }


def test_header_says_what_selectors_and_owners_ask():
    obj = at(CUSTOM, spec={"color": "red", "size": 3, "deep": True})
    obj["metadata"] |= {
        "uid": "u", "labels": {"l": "1"}, "deletionTimestamp": "2025-01-01T00:00:00Z", "finalizers": ["x"],
        "ownerReferences": [{"uid": "o1"}, {"uid": "o2"}],
    }
    header = header_of(encode(CUSTOM, obj, time_ms=5).header)
    assert (header.uid, header.name, header.labels, header.time_ms) == ("u", "a", {"l": "1"}, 5)
    assert header.fields == {"spec.color": "red", "spec.size": "3"}
    assert header.owners == ("o1", "o2")
    assert header.deleting
    assert header.finalizers


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (False, "false"), (7, "7"), ("x", "x"), ({"a": 1}, ""), ([1], "")]
)
def test_selectable_values_as_text(value, text):
    assert header_of(encode(CUSTOM, at(CUSTOM, spec={"color": value}), time_ms=0).header).fields["spec.color"] == text


def test_wake_tags():
    obj = at(CUSTOM, spec={"color": "red"})
    obj["metadata"]["labels"] = {"app": "x"}
    header = encode(CUSTOM, obj, time_ms=0).header
    assert tag_of(header, "metadata.name") == "a"
    assert tag_of(header, "label:app") == "x"
    assert tag_of(header, "label:other") is None
    assert tag_of(b"", "metadata.name") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
NAMES = st.text(st.sampled_from("abc-./"), min_size=1, max_size=12)
FIELDS = st.dictionaries(st.text().filter(lambda k: k not in ("apiVersion", "kind", "metadata")), JSON, max_size=4)
METADATA = st.dictionaries(st.text().filter(lambda k: k not in ("name", "labels", "ownerReferences", "finalizers", "uid", "resourceVersion")), JSON, max_size=3)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(name=NAMES, metadata=METADATA, labels=st.dictionaries(st.text(), st.text(), max_size=3), fields=FIELDS, revision=st.integers(1, 2**63))
def test_what_is_stored_is_what_is_loaded(name, metadata, labels, fields, revision):
    obj = {"apiVersion": "e.com/v1", "kind": "Thing", "metadata": {**metadata, "name": name, "labels": labels}, **fields}
    value = stored(CUSTOM, obj, revision)
    loaded = load(CUSTOM, "v1", value)
    assert loaded["metadata"].pop("resourceVersion") == str(revision)
    assert orjson.dumps(loaded, option=orjson.OPT_SORT_KEYS) == orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)
    assert canonical(loaded) == canonical({**obj, "metadata": {**obj["metadata"], "resourceVersion": "9"}})
    again = View(CUSTOM, "v1", JsonCodec())
    assert orjson.loads(again.item(value)) == orjson.loads(again.codec.encode(again.list_object(value)))


def test_canonical_tells_numbers_and_booleans_apart():
    values = [1, 1.0, True, "1", None, [1], {"1": 1}]
    assert len({canonical({"metadata": {}, "x": value}) for value in values}) == len(values)
    assert canonical({"metadata": {}, "x": {"a": 1, "b": 2}}) == canonical({"x": {"b": 2, "a": 1}, "metadata": {}})


# Epochs


def older(kind):
    """The kind as it was before it had selectable fields."""
    return msgspec.structs.replace(kind, versions=tuple(msgspec.structs.replace(v, selectable_fields=()) for v in kind.versions))


def test_epoch_follows_what_stored_bytes_depend_on():
    assert older(CUSTOM).epoch != CUSTOM.epoch
    assert msgspec.structs.replace(CUSTOM, hub="v2").epoch != CUSTOM.epoch
    assert msgspec.structs.replace(CUSTOM, uid="x").epoch == CUSTOM.epoch
    assert EVENT.epoch == NEW_EVENT.epoch


def test_stale_value_is_shown_as_a_fresh_one():
    obj = at(CUSTOM, spec={"color": "red"})
    stale, fresh = stored(older(CUSTOM), obj), stored(CUSTOM, obj)
    view = View(CUSTOM, "v1", JsonCodec())
    assert view.verbatim
    assert view.body(stale) == view.body(fresh)
    assert view.item(stale) == view.item(fresh)
    assert header_of(stale.header).fields == {}
    for color, wanted in (("red", True), ("blue", False)):
        selecting = View(CUSTOM, "v1", JsonCodec(), selector=Selection(fields=FieldSelector.parse(f"spec.color={color}")))
        assert selecting.wants(stale) is selecting.wants(fresh) is wanted


def test_value_of_an_older_hub_is_shown_at_the_new_one():
    value = stored(CUSTOM, at(CUSTOM, spec={"color": "red"}))
    kind = msgspec.structs.replace(CUSTOM, hub="v2")
    for version in ("v1", "v2"):
        body = orjson.loads(View(kind, version, JsonCodec()).body(value))
        assert body["apiVersion"] == f"e.com/{version}"
        assert (body["metadata"]["resourceVersion"], body["spec"]) == ("42", {"color": "red"})


def test_stale_event_is_selected_by_the_fields_of_its_group():
    old = msgspec.structs.replace(EVENT, stored_fields=())
    obj = at(EVENT, involvedObject={"name": "p"}, reason="Killed", reportingComponent="kubelet", source={})
    stale = stored(old, obj)
    assert header_of(stale.header).epoch != NEW_EVENT.epoch
    for text, wanted in (("regarding.name=p", True), ("regarding.name=q", False), ("reportingController=kubelet", True)):
        view = View(NEW_EVENT, "v1", JsonCodec(), selector=Selection(fields=FieldSelector.parse(text)))
        assert view.wants(stale) is wanted, text


def test_list_items_of_built_in_kinds_carry_no_type():
    value = stored(CONFIG_MAP, at(CONFIG_MAP, data={"x": "y"}))
    view = View(CONFIG_MAP, "v1", JsonCodec())
    assert view.item(value) == b'{"metadata":{"resourceVersion":"42","name":"a","namespace":"default"},"data":{"x":"y"}}'
    assert View(CUSTOM, "v1", JsonCodec()).item(stored(CUSTOM, at(CUSTOM))).startswith(b'{"apiVersion":"e.com/v1","kind":"Thing",')


@pytest.mark.parametrize(
    ("kind", "version"),
    [(CONFIG_MAP, "v1"), (builtin("apps", "deployments"), "v1beta2"), (CUSTOM, "v1"), (CUSTOM, "v2")],
    ids=["built-in", "built-in, alike", "custom", "custom, alike"],
)
def test_bodies_cut_and_joined_are_the_items(kind, version):
    values = [stored(kind, at(kind, name=str(number)), revision=number) for number in (9, 10)]
    view = View(kind, version, JsonCodec())
    cut = view.cut
    assert cut is not None
    assert all(value.header.startswith(cut.header) for value in values)
    bodies = [value.body[cut.skip :] for value in values]
    items = [view.item(value) for value in values]
    assert [orjson.loads(item).get("apiVersion") for item in items] == 2 * [kind.api_version(version) if kind.custom else None]
    assert cut.join(bodies, follows=False) == b"%b,%b" % tuple(items)
    assert cut.join(bodies, follows=True) == b",%b,%b" % tuple(items)
    assert cut.join([], follows=True) == cut.join([], follows=False) == b""


def test_cut_selects_by_the_stored_header():
    value = stored(CUSTOM, at(CUSTOM, spec={"color": "red"}))
    for text, wanted in (("spec.color=red", True), ("spec.color=blue", False), ("metadata.name=a", True), ("metadata.name!=a", False)):
        cut = View(CUSTOM, "v1", JsonCodec(), selector=Selection(fields=FieldSelector.parse(text))).cut
        assert cut is not None
        assert cut.wanted(value.header) is wanted, text
    assert View(CUSTOM, "v1", JsonCodec()).cut.wanted is None


def test_what_has_to_be_looked_at_is_not_cut():
    namespaced = Selection(fields=FieldSelector.parse("metadata.namespace=default"))
    assert View(CUSTOM, "v1", JsonCodec(), selector=namespaced).cut is None
    assert View(CUSTOM, "v1", JsonCodec(), projection=dict).cut is None
    assert View(CUSTOM, "v1", CborCodec()).cut is None
    stale = stored(older(CUSTOM), at(CUSTOM, spec={"color": "red"}))
    assert not stale.header.startswith(View(CUSTOM, "v1", JsonCodec()).cut.header)


async def test_head_of_every_stored_body(core, samples):
    await core.config_map("a")
    for resource, group in (("configmaps", ""), ("namespaces", "")):
        endpoint = core.endpoint(resource, group)
        for value in await core.store.walk(endpoint):
            assert value.body.startswith(b"{" + head_of(endpoint.kind))
            assert value.body[value.stamp_at :].startswith(b'%d"' % value.revision)
    record = await core.log.append(Write(core.endpoint("configmaps").key("default", "a"), Op.DELETE))
    assert record.body[record.stamp_at :].startswith(b'%d"' % record.revision)
    assert record.previous != NOTHING
