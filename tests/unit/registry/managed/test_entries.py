"""managedFields entries: reading, writing, the cap, and times."""

from __future__ import annotations

import pytest

from watchd.registry.managed import entries
from watchd.registry.managed.entries import (
    ANCIENT_CHANGES,
    MAX_UPDATE_MANAGERS,
    Identity,
    Owned,
    capped,
    decode,
    encode,
    is_plain,
    is_reset,
    keep_times,
    settled,
)
from watchd.registry.managed.errors import InvalidManagedFields
from watchd.registry.managed.fieldset import FieldSet, paths

T0, T1 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"


def entry(manager="m", operation="Update", api_version="v1", time=T0, fields=None, **more):
    out = {"manager": manager, "operation": operation, "apiVersion": api_version, "time": time}
    return out | {"fieldsType": "FieldsV1", "fieldsV1": fields or {"f:a": {}}} | more


def test_entries_are_written_by_operation_time_and_name():
    mixed = [
        entry("z", time=T0),
        entry("a", time=T1),
        entry("b", time=T1, api_version="v2"),
        entry("b", time=T1, api_version="v1"),
        entry("b", time=T1, api_version="v1", subresource="status"),
        entry("y", "Apply", time=T1),
        entry("x", "Apply", time=""),
    ]
    got = [(e["operation"], e["manager"], e["apiVersion"], e.get("subresource", "")) for e in encode(decode(mixed))]
    assert got == [
        ("Apply", "x", "v1", ""),
        ("Apply", "y", "v1", ""),
        ("Update", "z", "v1", ""),
        ("Update", "a", "v1", ""),
        ("Update", "b", "v1", ""),
        ("Update", "b", "v1", "status"),
        ("Update", "b", "v2", ""),
    ]


def test_own_entries_are_used_again_and_others_are_copied():
    own = [entry()]
    assert encode(decode(own, reuse=True))[0] is own[0]
    copied = encode(decode(own))
    assert copied == own
    assert copied[0] is not own[0]
    assert copied[0]["fieldsV1"] is not own[0]["fieldsV1"]


def test_known_entries_that_come_back_are_used_again_and_others_are_read_as_a_client_wrote_them():
    own = [entry("one"), entry("two"), entry("three")]
    sent = [entry("two"), entry("one", time="2026-01-01T01:00:00+01:00"), entry("new", time="2026-01-01T01:00:00+01:00")]
    managers = decode(sent, known=own)
    assert [(who.manager, owned.time, owned.entry) for who, owned in managers.items()] == [
        ("two", T0, own[1]),
        ("one", T0, None),
        ("new", T0, None),
    ]
    assert managers[Identity("two", "Update", "v1")].entry is own[1]
    with pytest.raises(InvalidManagedFields):
        decode([entry("two"), entry("bad", time="yesterday")], known=own)
    # What is known is still held to what can be read.
    with pytest.raises(InvalidManagedFields):
        decode([entry(api_version="")], known=[entry(api_version="")])


def test_settled_managers_are_what_their_entries_are_read_as():
    own = [entry("z", "Apply"), entry("b", time=T1, fields={"f:b": {}})]
    managers = decode(own, reuse=True) | dict([update(1, T0)])
    out = settled(managers)
    assert [owned.entry for owned in out.values()] == encode(managers)
    assert list(out.items()) == list(decode(encode(managers), reuse=True).items())
    assert [who.manager for who in out] == ["z", "m01", "b"]
    assert out[Identity("b", "Update", "v1")].entry is own[1]


def test_a_manager_at_another_time_has_the_same_fields():
    ((_, owned),) = decode([entry()], reuse=True).items()
    later = owned.at(T1)
    assert (later.time, later.entry) == (T1, entry(time=T1))
    assert later.entry["fieldsV1"] is owned.entry["fieldsV1"]
    assert owned.at(T0) is owned
    assert Owned(paths("a"), "v1", applied=False, time=T0).at(T1).entry is None


def test_an_applier_is_one_manager_at_all_versions():
    assert len(decode([entry("m", "Apply", "v1"), entry("m", "Apply", "v2")])) == 1
    assert len(decode([entry("m", "Update", "v1"), entry("m", "Update", "v2")])) == 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry(operation="Patch"), "operation must be `Apply` or `Update`"),
        (entry(api_version=""), "apiVersion must not be empty"),
        (entry(fieldsType=""), "missing fieldsType in managed fields entry 0"),
        (entry(fieldsType="FieldsV2"), 'invalid fieldsType "FieldsV2" in managed fields entry 0'),
        (entry(fields={"bad": {}}), "error decoding set: parsing key as path element: missing colon: bad"),
        (entry(time="yesterday"), "time of managed fields entry 0: parsing time"),
        (entry(time=5), "time of managed fields entry 0 is not a string"),
        (entry(manager=5), "manager of managed fields entry 0 is not a string"),
        (entry(operation=["Apply"]), "operation must be `Apply` or `Update`"),
        ("text", "managed fields entry 0 is not an object"),
    ],
)
def test_bad_entries_are_refused_in_words(bad, message):
    with pytest.raises(InvalidManagedFields) as caught:
        entries.validate([bad])
    assert str(caught.value).startswith(message)


def test_fields_nested_too_deep_to_be_written_are_refused():
    fields = {}
    for _ in range(300):
        fields = {"f:a": fields}
    with pytest.raises(InvalidManagedFields):
        decode([entry(fields=fields)])


def test_what_is_a_list_of_nothing_resets():
    assert is_reset([])
    assert is_reset([{}])
    assert is_reset([{"manager": "", "time": None}])
    assert not is_reset(None)
    assert not is_reset([{}, {}])
    assert not is_reset([{"manager": "m"}])
    assert not is_reset([{"time": T0}])


def test_times_of_clients_are_brought_into_one_form():
    ((_, owned),) = decode([entry(time="2026-01-01T02:00:00.5+02:00")]).items()
    assert owned.time == T0


def update(index, time, version="v1"):
    return Identity(f"m{index:02}", "Update", version), Owned(paths(f"f{index}"), version, applied=False, time=time)


def test_the_oldest_updaters_become_one_beyond_the_cap():
    managers = dict(update(i, f"2026-01-01T00:00:{i:02}Z") for i in range(MAX_UPDATE_MANAGERS + 2))
    applier = (Identity("a", "Apply", ""), Owned(paths("x"), "v1", applied=True, time=T0))
    managers[applier[0]] = applier[1]
    out = capped(managers)
    bucket = out[Identity(ANCIENT_CHANGES, "Update", "v1")]
    assert bucket.fields == paths("f0", "f1", "f2")
    assert bucket.time == "2026-01-01T00:00:02Z"
    assert sum(not owned.applied for owned in out.values()) == MAX_UPDATE_MANAGERS
    assert out[applier[0]] is applier[1]
    # The next one joins it.
    later = dict([*out.items(), update(50, "2026-01-01T00:01:00Z")])
    assert capped(later)[Identity(ANCIENT_CHANGES, "Update", "v1")].fields == paths("f0", "f1", "f2", "f3")


def test_at_the_cap_nothing_happens():
    managers = dict(update(i, T0) for i in range(MAX_UPDATE_MANAGERS))
    assert capped(managers) is managers


def test_updaters_of_different_versions_are_not_mixed():
    managers = dict(update(i, f"2026-01-01T00:00:{i:02}Z", f"v{i % 2 + 1}") for i in range(MAX_UPDATE_MANAGERS + 1))
    out = capped(managers)
    assert out[Identity(ANCIENT_CHANGES, "Update", "v1")].fields == paths("f0", "f2")
    assert Identity("m01", "Update", "v2") in out


def test_a_younger_bucket_is_not_merged_with_itself():
    managers = dict(update(i, "2026-01-01T00:01:00Z") for i in range(MAX_UPDATE_MANAGERS))
    bucket = Identity(ANCIENT_CHANGES, "Update", "v1")
    managers[bucket] = Owned(paths("old"), "v1", applied=False, time=T0)
    before = [path for owned in managers.values() for path in owned.fields]
    out = capped(managers)
    assert sorted(path for owned in out.values() for path in owned.fields) == sorted(before)


def test_times_alone_are_no_change():
    old, new = [entry(time=T0)], [entry(time=T1)]
    assert keep_times(new, old) == old
    other = [entry(time=T1, fields={"f:b": {}})]
    assert keep_times(other, old) == other
    assert keep_times([*new, entry("n")], old) == [*new, entry("n")]


def test_the_cache_keeps_to_its_bytes():
    cache = entries._Cache(100)
    for index in range(50):
        cache.read({f"f:field{index}": {}})
        assert cache.size == sum(map(len, cache.sets)) <= 100
    kept = cache.read({"f:field49": {}})
    assert cache.read({"f:field49": {}}) is kept
    assert isinstance(kept, FieldSet)


ENTRY = {
    "manager": "m",
    "operation": "Update",
    "apiVersion": "v1",
    "time": "2026-01-01T00:00:00Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:spec": {}},
}


def test_entries_as_the_server_writes_them_are_plain():
    assert is_plain([ENTRY, {**ENTRY, "subresource": "status"}])


@pytest.mark.parametrize(
    "managed",
    [
        None,
        5,
        [],
        [{}],
        [5],
        [{**ENTRY, "x": "unknown"}],
        [{**ENTRY, "manager": ""}],
        [{**ENTRY, "manager": 5}],
        [{**ENTRY, "fieldsV1": None}],
        [{**ENTRY, "time": "2026-01-01T00:00:00.5Z"}],
        [{**ENTRY, "time": "2026-13-01T00:00:00Z"}],
    ],
)
def test_entries_that_decoding_may_change_are_not_plain(managed):
    assert not is_plain(managed)
