"""Accepted names and conditions, as recorded in the lifecycle of definitions."""

from __future__ import annotations

from watchd.crd import conditions, names


class FixedClock:
    def __init__(self, ms=0):
        self.ms = ms

    def now_ms(self):
        return self.ms


def definition(plural, kind, *, group="example.com", accepted=None, **more):
    wanted = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List", **more}
    status = {"acceptedNames": wanted if accepted is True else accepted or {"plural": "", "kind": ""}}
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": {"group": group, "names": wanted}, "status": status}


def test_free_names_are_accepted():
    mine = definition("things", "Thing", shortNames=["th"], categories=["all"])
    result = names.accept(mine, [mine])
    assert result.names == mine["spec"]["names"]
    assert result.condition == names.NO_CONFLICTS
    assert result.established == conditions.INSTALLING


def test_a_kind_that_is_taken_keeps_the_plural_only():
    result = names.accept(definition("others", "Thing"), [definition("things", "Thing", accepted=True)])
    assert result.names == {"plural": "others", "kind": ""}
    assert (result.condition.status, result.condition.reason) == (False, "ListKindConflict")
    assert result.condition.message == '"ThingList" is already in use'
    assert result.established == conditions.NOT_ACCEPTED


def test_a_short_name_that_is_another_plural_is_refused():
    holder = definition("things", "Thing", accepted=True)
    waiting = definition("others", "Other", shortNames=["things", "thing"])
    result = names.accept(waiting, [holder, waiting])
    assert result.condition.reason == "ShortNamesConflict"
    assert result.condition.message == '["things" is already in use, "thing" is already in use]'
    assert "shortNames" not in result.names
    assert names.accept(waiting, [waiting]).condition.status


def test_other_groups_do_not_matter():
    taken = definition("things", "Thing", group="other.com", accepted=True)
    assert names.accept(definition("things", "Thing"), [taken]).condition.status


def test_what_was_accepted_stays_accepted():
    mine = definition("things", "Thing", accepted=True)
    conditions.set_condition(mine, conditions.INITIAL_NAMES_ACCEPTED, FixedClock())
    mine["spec"]["names"] = {**mine["spec"]["names"], "kind": "Other", "listKind": "OtherList"}
    result = names.accept(mine, [definition("others", "Other", accepted=True)])
    assert result.names["kind"] == "Thing"
    assert result.established is None


def test_a_condition_moves_its_time_only_with_its_status():
    mine = definition("things", "Thing")
    mine["status"]["conditions"] = None
    clock = FixedClock(1_000)
    conditions.set_condition(mine, conditions.INSTALLING, clock)
    clock.ms = 2_000
    conditions.set_condition(mine, conditions.NOT_ACCEPTED, clock)
    assert conditions.NOT_ACCEPTED.matches(conditions.find(mine, conditions.ESTABLISHED))
    assert mine["status"]["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:00:01Z"
    clock.ms = 3_000
    conditions.set_condition(mine, conditions.INITIAL_NAMES_ACCEPTED, clock)
    assert mine["status"]["conditions"] == [
        {
            "type": "Established",
            "lastTransitionTime": "1970-01-01T00:00:03Z",
            "status": "True",
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
        }
    ]
    assert conditions.is_true(mine, conditions.ESTABLISHED)
