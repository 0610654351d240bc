from __future__ import annotations

import copy

import pytest

from conversion.errors import AlreadyRegistered, ConversionError, ConversionFailed, NotConvertible, UnknownKind
from conversion.gvk import GroupVersionKind
from conversion.hub import Hub, Spoke, check_round_trip
from conversion.scheme import Scheme, kind_of

V1 = GroupVersionKind("example.com", "v1", "Route")
V2 = GroupVersionKind("example.com", "v2", "Route")
V1BETA1 = GroupVersionKind("example.com", "v1beta1", "Route")


def split(obj):
    host, _, port = obj["spec"]["hostPort"].partition(":")
    return {**obj, "spec": {"host": host, "port": int(port)}}


def join(obj):
    return {**obj, "spec": {"hostPort": f"{obj['spec']['host']}:{obj['spec']['port']}"}}


def route(spokes=None):
    return Hub("example.com", "Route", V2, spokes if spokes is not None else {"v1": Spoke(split, join), "v1beta1": Spoke()})


@pytest.fixture
def scheme():
    found = Scheme()
    found.register(route())
    return found


def obj(gvk, **spec):
    return {"apiVersion": str(gvk.group_version), "kind": gvk.kind, "metadata": {"name": "a"}, "spec": spec}


def test_spoke_hub_spoke(scheme):
    old = obj(V1, hostPort="h:80")
    before = copy.deepcopy(old)
    assert scheme.convert(old, V2) == obj(V2, host="h", port=80)
    assert scheme.convert(obj(V2, host="h", port=80), V1) == old == before
    assert scheme.convert(old, V1BETA1) == obj(V1BETA1, host="h", port=80)
    assert list(scheme.convert(old, V2))[:2] == ["apiVersion", "kind"]


def test_lookups(scheme):
    assert V1 in scheme
    assert GroupVersionKind("example.com", "v3", "Route") not in scheme
    assert scheme.versions("example.com", "Route") == ("v2", "v1", "v1beta1")
    assert scheme.stored(V1) == V2
    assert [hub.kind for hub in scheme] == ["Route"]
    with pytest.raises(AlreadyRegistered):
        scheme.register(route())


def test_kinds_come_and_go(scheme):
    scheme.replace(route({"v1": Spoke(split, join)}))
    assert V1BETA1 not in scheme
    assert scheme.unregister("example.com", "Route").kind == "Route"
    assert V2 not in scheme
    with pytest.raises(UnknownKind):
        scheme.unregister("example.com", "Route")
    scheme.replace(route())
    assert V1BETA1 in scheme


def test_one_object_under_two_groups():
    core, events = GroupVersionKind("", "v1", "Event"), GroupVersionKind("events.k8s.io", "v1", "Event")
    scheme = Scheme()
    scheme.register(Hub("", "Event", core))
    rename = Spoke(
        lambda o: {**{k: v for k, v in o.items() if k != "note"}, "message": o["note"]},
        lambda o: {**{k: v for k, v in o.items() if k != "message"}, "note": o["message"]},
    )
    scheme.register(Hub("events.k8s.io", "Event", core, {"v1": rename}))
    new = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"}, "note": "hi"}
    old = scheme.convert(new, core)
    assert old == {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "message": "hi"}
    assert scheme.convert(old, events) == new
    assert scheme.versions("events.k8s.io", "Event") == ("v1",)


def test_refused(scheme):
    scheme.register(Hub("other.com", "Thing", GroupVersionKind("other.com", "v1", "Thing")))
    with pytest.raises(NotConvertible):
        scheme.convert(obj(V1, hostPort="h:80"), GroupVersionKind("other.com", "v1", "Thing"))
    with pytest.raises(UnknownKind, match=r'no kind "Route" is registered for version "example\.com/v9"'):
        scheme.convert(obj(V1, hostPort="h:80"), GroupVersionKind("example.com", "v9", "Route"))
    for nothing in ({}, {"apiVersion": "a/b/c", "kind": "X"}, {"apiVersion": 1, "kind": "X"}, {"apiVersion": "v1", "kind": None}):
        with pytest.raises(UnknownKind):
            kind_of(nothing)


def test_a_function_that_fails(scheme):
    with pytest.raises(ConversionFailed, match=r"KeyError: 'hostPort'") as raised:
        scheme.convert(obj(V1), V2)
    assert isinstance(raised.value, ConversionError)
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda o: None, "returned NoneType"),
        (lambda o: {**o, "metadata": {"name": "b"}}, "metadata.name may not change"),
        (lambda o: {**o, "metadata": {"name": "a", "uid": "x"}}, "metadata.uid may not change"),
    ],
)
def test_a_function_that_returns_what_it_may_not(function, why):
    scheme = Scheme()
    scheme.register(route({"v1": Spoke(function, None)}))
    with pytest.raises(ConversionFailed, match=why):
        scheme.convert(obj(V1, x=1), V2)


def test_round_trips_are_checked_both_ways():
    hub = route()
    assert check_round_trip(hub, obj(V1, hostPort="h:80"), "v1") == ()
    assert check_round_trip(hub, obj(V2, host="h", port=80), "v1") == ()
    assert check_round_trip(hub, obj(V2, host="h", port=80), "v1beta1") == ()
    assert check_round_trip(hub, obj(V1, hostPort="h:080"), "v1") == ("spec.hostPort",)
    assert check_round_trip(hub, obj(V2, host="h", port=80, tls=True), "v1") == ("spec.tls",)
    lossy = route({"v1": Spoke(lambda o: {**o, "spec": {"l": [{"n": 1}]}}, None)})
    assert check_round_trip(lossy, obj(V1, l=[{"n": 2}]), "v1") == ("spec.l[0].n",)


def test_a_function_that_changes_its_input_is_found():
    def impure(o):
        o["spec"]["seen"] = True
        return o

    with pytest.raises(ConversionFailed, match="changed its input"):
        check_round_trip(route({"v1": Spoke(impure, None)}), obj(V1), "v1")
