from __future__ import annotations

import pytest

from watchd.api.continuation import Continuation
from watchd.api.options import (
    TYPE_META,
    CreateOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    PatchOptions,
    UpdateOptions,
)
from watchd.status import StatusError


def query(text):
    out: dict[str, list[str]] = {}
    for pair in filter(None, text.split("&")):
        name, _, value = pair.partition("=")
        out.setdefault(name, []).append(value)
    return out


def refused(parse, *args, **kwargs):
    with pytest.raises(StatusError) as e:
        parse(*args, **kwargs)
    return e.value.code, e.value.message


HEAD = 'ListOptions.meta.k8s.io "" is invalid: '
MATCH = "resourceVersionMatch: Forbidden: "


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("limit=many", 400, 'strconv.ParseInt: parsing "many": invalid syntax'),
        ("limit=99999999999999999999", 400, 'strconv.ParseInt: parsing "99999999999999999999": value out of range'),
        ("watch=true&timeoutSeconds=soon", 400, 'strconv.ParseInt: parsing "soon": invalid syntax'),
        ("timeoutSeconds=", 400, 'strconv.ParseInt: parsing "": invalid syntax'),
        ("resourceVersionMatch=Exact", 422, f"{HEAD}{MATCH}resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (
            "resourceVersionMatch=Exact&resourceVersion=0",
            422,
            f'{HEAD}{MATCH}resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            "resourceVersionMatch=Newest&resourceVersion=1",
            422,
            f'{HEAD}resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            "continue=x&resourceVersionMatch=NotOlderThan",
            422,
            (f"{HEAD}[{MATCH}resourceVersionMatch is forbidden unless resourceVersion is provided, "
            f"{MATCH}resourceVersionMatch is forbidden when continue is provided]"),
        ),
        (
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
            422,
            (f"{HEAD}[{MATCH}resourceVersionMatch is forbidden unless resourceVersion is provided, "
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list]"),
        ),
        (
            "watch=true&sendInitialEvents=true&allowWatchBookmarks=true",
            422,
            f"{HEAD}{MATCH}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            "watch=true&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1",
            422,
            (f"{HEAD}[{MATCH}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, "
            'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]'),
        ),
        (
            "watch=true&resourceVersionMatch=NotOlderThan&resourceVersion=1",
            422,
            f"{HEAD}{MATCH}resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        ("watch=true&continue=x", 422, f"{HEAD}{MATCH}resourceVersionMatch is forbidden when continue is provided"),
        ("labelSelector=a b c", 400, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("fieldSelector=foo", 400, "invalid selector: 'foo'; can't understand 'foo'"),
    ],
)
def test_refused_list_options(text, code, message):
    assert refused(ListOptions.parse, query(text)) == (code, message)


def test_two_causes_are_two():
    with pytest.raises(StatusError) as e:
        ListOptions.parse(query("continue=x&resourceVersionMatch=Exact"))
    status = e.value.to_object()
    assert [c["field"] for c in status["details"]["causes"]] == ["resourceVersionMatch"] * 2
    assert status["details"]["group"] == "meta.k8s.io"
    assert status["details"]["kind"] == "ListOptions"


def test_watch_defaults():
    for text in ("watch=1", "watch=1&resourceVersion=0"):
        options = ListOptions.parse(query(text))
        assert options.send_initial_events is True
    assert ListOptions.parse(query("watch=1&resourceVersion=7")).send_initial_events is None
    explicit = ListOptions.parse(query("watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"))
    assert explicit.send_initial_events is False
    assert ListOptions.parse({}).send_initial_events is None


def test_a_legacy_watch_path_makes_a_watch():
    options = ListOptions.parse({}, legacy_watch=True)
    assert (options.watch, options.send_initial_events) == (True, True)
    assert ListOptions.parse(query("resourceVersion=7"), legacy_watch=True).send_initial_events is None
    assert refused(ListOptions.parse, query("sendInitialEvents=true"), legacy_watch=True)[0] == 422


def test_negative_limit_is_none():
    assert ListOptions.parse(query("limit=-1")).limit == 0


TOKEN = Continuation.after(9, "a").encode()


@pytest.mark.parametrize(
    ("text", "exact", "minimum", "paged"),
    [
        ("", None, 0, False),
        ("limit=5", None, 0, True),
        ("resourceVersion=0", None, 0, False),
        ("resourceVersion=0&limit=5", None, 0, False),
        ("resourceVersion=7", None, 7, False),
        ("resourceVersion=7&resourceVersionMatch=NotOlderThan&limit=5", None, 7, True),
        ("resourceVersion=7&resourceVersionMatch=Exact", 7, 7, False),
        ("resourceVersion=7&limit=5", 7, 7, True),
        (f"continue={TOKEN}&limit=5", 9, 0, True),
        (f"continue={TOKEN}&limit=5&resourceVersion=0", 9, 0, False),
        (f"continue={Continuation(-1, 'a').encode()}&limit=5", None, 0, True),
    ],
)
def test_position(text, exact, minimum, paged):
    position = ListOptions.parse(query(text)).position()
    assert (position.exact, position.minimum, position.paged) == (exact, minimum, paged)
    assert (position.continuation is not None) == ("continue" in text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resourceVersion=abc", 'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'),
        ("resourceVersion=-5", 'invalid resource version: resourceVersion: Invalid value: "-5": strconv.ParseUint: parsing "-5": invalid syntax'),
        (f"continue={TOKEN}&resourceVersion=3", "specifying resource version is not allowed when using continue"),
        ("continue=rubbish", "invalid continue token: continue key is not valid: invalid character '®' looking for beginning of value"),
    ],
)
def test_refused_positions(text, message):
    assert refused(ListOptions.parse(query(text)).position) == (400, message)


def test_get_and_watch_answer_500_for_a_bad_revision():
    message = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
    assert refused(GetOptions.parse(query("resourceVersion=abc")).minimum) == (500, message)
    assert refused(ListOptions.parse(query("watch=1&resourceVersion=abc")).watch_revision) == (500, message)
    huge = "9" * 5000
    code, text = refused(GetOptions(huge).minimum)
    assert code == 500
    assert text.endswith("value out of range")
    assert GetOptions.parse(query("resourceVersion=7&resourceVersionMatch=Exact")).minimum() == 7


@pytest.mark.parametrize(("parse", "kind"), [(CreateOptions.parse, "CreateOptions"), (UpdateOptions.parse, "UpdateOptions")])
def test_write_options(parse, kind):
    options = parse(query("dryRun=All&fieldManager=me&fieldValidation=Strict"))
    assert (options.dry_run, options.field_manager, options.strict, options.warn) == (True, "me", True, False)
    assert parse({}).warn
    head = f'{kind}.meta.k8s.io "" is invalid: '
    assert refused(parse, query("dryRun=Some")) == (422, head + 'dryRun: Unsupported value: ["Some"]: supported values: "All"')
    assert refused(parse, query("fieldValidation=Loud")) == (
        422,
        head + 'fieldValidation: Unsupported value: "Loud": supported values: "", "Ignore", "Strict", "Warn"',
    )
    assert refused(parse, query("fieldManager=" + "x" * 129)) == (422, head + "fieldManager: Too long: may not be more than 128 bytes")
    assert refused(parse, query("fieldManager=é\a")) == (
        422,
        head + 'fieldManager: Invalid value: "é\\a": invalid character U+0007 (at position 2)',
    )


def test_patch_options():
    head = 'PatchOptions.meta.k8s.io "" is invalid: '
    assert PatchOptions.parse(query("force=true&fieldManager=m"), apply=True).force
    assert not PatchOptions.parse(query("fieldManager=m"), apply=True).force
    assert refused(PatchOptions.parse, {}, apply=True) == (422, head + "fieldManager: Required value: is required for apply patch")
    assert refused(PatchOptions.parse, query("force=true"), apply=False) == (
        422,
        head + "force: Forbidden: may not be specified for non-apply patch",
    )


@pytest.mark.parametrize(
    ("given", "user_agent", "manager"),
    [("me", "kubectl/1", "me"), ("", "kubectl/v1.37 (linux)", "kubectl"), ("", "a\tb/1", "ab"), ("", "x" * 200, "x" * 128), ("", "", "")],
)
def test_manager(given, user_agent, manager):
    assert CreateOptions(field_manager=given).manager(user_agent) == manager


def test_delete_options_from_query():
    options = DeleteOptions.parse(query("propagationPolicy=Foreground&gracePeriodSeconds=-3&dryRun=All"))
    assert (options.propagation_policy, options.grace_period_seconds, options.dry_run) == ("Foreground", 1, True)
    assert DeleteOptions.parse(query("orphanDependents=true")).propagation_policy == "Orphan"
    assert DeleteOptions.parse(query("orphanDependents=false")).propagation_policy == "Background"
    head = 'DeleteOptions.meta.k8s.io "" is invalid: '
    assert refused(DeleteOptions.parse, query("propagationPolicy=Sometimes")) == (
        422,
        head + 'propagationPolicy: Unsupported value: "Sometimes": supported values: "Foreground", "Background", "Orphan", "nil"',
    )
    assert refused(DeleteOptions.parse, query("propagationPolicy=Orphan&orphanDependents=true")) == (
        422,
        head + 'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
    )


def test_a_delete_body_rules_alone():
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "u", "resourceVersion": "3"}, "gracePeriodSeconds": 0}
    options = DeleteOptions.parse(query("dryRun=All"), body)
    assert (options.uid, options.resource_version, options.grace_period_seconds, options.dry_run) == ("u", "3", 0, False)
    assert DeleteOptions.parse({}, {"apiVersion": "apps/v1", "kind": "DeleteOptions"}) == DeleteOptions()


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"kind": "Pod"},
        {"gracePeriodSeconds": "soon"},
        {"gracePeriodSeconds": 1.5},
        {"gracePeriodSeconds": True},
        {"orphanDependents": "yes"},
        {"dryRun": "All"},
        {"dryRun": [1]},
        {"preconditions": []},
        {"preconditions": {"uid": 5}},
    ],
)
def test_delete_bodies_of_the_wrong_shape(body):
    code, message = refused(DeleteOptions.parse, {}, body)
    assert code == 400
    assert message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], f"couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type {TYPE_META}"),
        (
            {"propagationPolicy": 1},
            "json: cannot unmarshal number into Go struct field DeleteOptions.propagationPolicy of type v1.DeletionPropagation",
        ),
        ({"gracePeriodSeconds": 1.5}, "json: cannot unmarshal number 1.5 into Go struct field DeleteOptions.gracePeriodSeconds of type int64"),
        (
            {"preconditions": {"uid": 1}},
            "json: cannot unmarshal number into Go struct field Preconditions.preconditions.uid of type types.UID",
        ),
    ],
)
def test_delete_bodies_of_wrong_types(body, message):
    with pytest.raises(StatusError) as caught:
        DeleteOptions.parse({}, body)
    assert (caught.value.code, caught.value.message) == (400, message)


def test_preconditions_of_a_delete_stand_in_the_query_too():
    options = DeleteOptions.parse({"uid": ["u"], "resourceVersion": ["5"]})
    assert (options.uid, options.resource_version) == ("u", "5")
