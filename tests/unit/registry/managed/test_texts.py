"""managedFields known by their text: found where they are, and nowhere else."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.json_codec import JsonCodec
from watchd.registry.managed.entries import decode
from watchd.registry.managed.texts import TEXT_MAX_BYTES, Known, Texts, unmark

BOUNDED = settings(derandomize=True, deadline=None, database=None)
CODEC = JsonCodec()


def entry(manager="m", fields=None, **more):
    out = {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z"}
    return out | {"fieldsType": "FieldsV1", "fieldsV1": fields or {"f:a": {}}} | more


def known(*entries):
    return Known(list(entries), decode(list(entries), reuse=True))


OWN = known(entry("one"), entry("two", {"f:spec": {'k:{"name":"[x]"}': {".": {}, "f:b": {}}}}, subresource="status"))
OWN_TEXT = orjson.dumps(OWN.entries)


def remembering(*all_known):
    texts = Texts()
    for one in all_known:
        texts.remember(one)
    return texts


def read(texts, body):
    """Read a body by the quick way, as those do who ask; None where it is not for that."""
    cut = texts.cut(body)
    if cut is None:
        return None
    rest, found = cut
    decoded = CODEC.decode(rest)
    if not unmark(decoded.value):
        return None
    decoded.value["metadata"]["managedFields"] = found.entries
    return decoded


def body(managed=OWN_TEXT, before=b"", after=b""):
    return b'{%b"metadata":{"name":"a","managedFields":%b},"spec":{"x":[{}]}%b}' % (before, managed, after)


def test_what_was_written_is_known_again():
    found = read(remembering(OWN), body())
    assert found.value == orjson.loads(body())
    assert found.value["metadata"]["managedFields"] is OWN.entries
    assert remembering(OWN).cut(body())[1] is OWN


@pytest.mark.parametrize(
    "odd",
    [
        body(OWN_TEXT, after=b',"managedFields":1'),
        body(OWN_TEXT, after=b',"\\u0061":"managedFields"'),
        b'{"metadata":{"managedFields":[],"managedFields" :[{}],"managedFields":%b}}' % OWN_TEXT,
        rb'{"metadata":{"manag\u0065dFields":[],"managedFields":%b}}' % OWN_TEXT,
    ],
)
def test_what_stands_beside_it_is_read_as_it_was(odd):
    found = read(remembering(OWN), odd)
    assert found is None or found == CODEC.decode(odd)


@pytest.mark.parametrize(
    "other",
    [
        body(orjson.dumps([entry("one")])),
        body(b"[]"),
        body(b"null"),
        body(OWN_TEXT.replace(b'"one"', b'"eno"')),
        body(OWN_TEXT.replace(b",", b", ")),
        b'{"metadata":{"managedFields":%b,"managedFields":[]}}' % OWN_TEXT,
        b'{"metadata":{"managedFields":%b,"managedFields" :[{}]}}' % OWN_TEXT,
        rb'{"metadata":{"managedFields":%b,"manag\u0065dFields":[]}}' % OWN_TEXT,
        b'{"spec":{"managedFields":%b},"metadata":{"managedFields":[]}}' % OWN_TEXT,
        b'{"metadata":{"managedFields":%b},"metadata":{}}' % OWN_TEXT,
        b'{"metadata":{"name":"a"},"spec":{"managedFields":%b}}' % OWN_TEXT,
        b'{"managedFields":%b}' % OWN_TEXT,
        b'[{"managedFields":%b}]' % OWN_TEXT,
        rb'{"metadata":{"a\"managedFields":%b}}' % OWN_TEXT,
        b'{"metadata":{"managedFields":%b' % OWN_TEXT[:-1],
        b'"managedFields":%b' % OWN_TEXT,
        b"",
    ],
)
def test_what_is_not_surely_the_same_is_read_in_full(other):
    try:
        assert read(remembering(OWN), other) is None
    except ValueError:
        with pytest.raises(ValueError):
            CODEC.decode(other)


@pytest.mark.parametrize(
    "broken",
    [
        b'{"a":"b,"managedFields":%b"}' % OWN_TEXT,
        b'{"metadata":{"a":"b,"managedFields":%b"}}' % OWN_TEXT,
        b'{"metadata":{,"managedFields":%b}}' % OWN_TEXT,
        b'{"metadata":["managedFields":%b]}' % OWN_TEXT,
        b'{"metadata":{"x":"managedFields":%b}}' % OWN_TEXT,
        b'{"metadata":{"managedFields":%b}' % OWN_TEXT,
        b'{"metadata":{"managedFields":%bx}}' % OWN_TEXT,
    ],
)
def test_no_broken_body_becomes_a_whole_one(broken):
    rest, _ = remembering(OWN).cut(broken)
    with pytest.raises(ValueError):
        CODEC.decode(broken)
    with pytest.raises(ValueError):
        CODEC.decode(rest)


def test_a_closing_within_a_string_is_read_in_full():
    odd = known(entry("m", {'k:{"a":"}]"}': {}}))
    assert remembering(odd).cut(body(orjson.dumps(odd.entries))) is None


def remembered(texts, one):
    return texts.cut(body(orjson.dumps(one.entries))) is not None


def test_the_oldest_go_first_and_huge_ones_do_not_come():
    several = [known(entry(f"m{index}")) for index in range(4)]
    sizes = [len(orjson.dumps(one.entries)) for one in several]
    texts = Texts(limit=sum(sizes[1:]))
    for one in several:
        texts.remember(one)
        texts.remember(one)
    assert [remembered(texts, one) for one in several] == [False, True, True, True]
    assert texts.size == sum(sizes[1:])
    huge = known(entry("m", {f"f:{index}": {} for index in range(TEXT_MAX_BYTES // 8)}))
    texts.remember(huge)
    texts.remember(known())
    assert texts.size == sum(sizes[1:])
    # What had to go comes back like anything else, and goes with its last user.
    again = texts.remember(several[0])
    assert (again.uses, remembered(texts, again), remembered(texts, several[1])) == (1, True, False)


def test_what_is_written_over_is_forgotten_with_its_last_user():
    texts, later = Texts(), [known(entry("m", time=f"2026-01-01T00:00:0{index}Z")) for index in (1, 2, 3)]
    first = texts.remember(known(entry("m")))
    assert texts.remember(known(entry("m"))) is first
    texts.remember(later[0], first)
    assert remembered(texts, first)
    texts.remember(later[1], first)
    assert [remembered(texts, one) for one in (first, *later)] == [False, True, True, False]
    # A write that failed is followed by another: what was dropped already is no trouble.
    texts.remember(later[2], first)
    texts.remember(later[2], first)
    assert texts.size == sum(len(one.text) for one in later)
    texts.remember(known(), later[0])
    assert texts.size == sum(len(one.text) for one in later[1:])


KEYS = st.sampled_from(["metadata", "managedFields", 'a"managedFields', "name", "spec", "é\\"])
VALUES = st.recursive(
    st.sampled_from([None, 1, True, "x", '"managedFields":[', "managedFields", "}]", OWN.entries, OWN.entries[:1]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
METADATA = st.dictionaries(KEYS, VALUES, max_size=3) | st.just({"managedFields": OWN.entries})


@BOUNDED
@given(st.dictionaries(KEYS, VALUES, max_size=3), METADATA, st.booleans(), st.integers(0, 400), st.binary(max_size=2))
def test_the_quick_way_reads_what_the_slow_way_reads(obj, meta, whole, at, noise):
    data = orjson.dumps(obj | {"metadata": meta})
    if not whole:
        data = data[:at] + noise + data[at:]
    try:
        slow = CODEC.decode(data)
    except ValueError:
        slow = None
    try:
        quick = read(remembering(OWN, known(OWN.entries[0])), data)
    except ValueError:
        # Those who ask take the slow way then.
        assert slow is None
    else:
        assert quick is None or quick == slow
