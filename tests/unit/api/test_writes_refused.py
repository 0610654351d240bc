"""Writes that are refused or trimmed in the reference's order: what it looks at first decides the answer."""

from __future__ import annotations

import pytest

from watchd.api.patch import parse
from watchd.registry import metadata
from watchd.status import StatusError

OWNER = {"apiVersion": "v1", "kind": "X", "name": "n", "uid": "u"}


@pytest.mark.parametrize("changed", [False, True])
def test_owner_that_stands_twice_is_dropped_and_said(changed):
    meta = {"ownerReferences": [OWNER, dict(OWNER), {**OWNER, "name": "other"}]}
    (text,) = metadata.drop_duplicate_owners(meta, changed=changed)
    assert meta["ownerReferences"] == [OWNER, {**OWNER, "name": "other"}]
    assert ("duplicate entries after mutating admission happens;" in text) is changed
    assert text.endswith("observed: u")


@pytest.mark.parametrize(
    ("field", "value"), [("deletionTimestamp", "2001-01-01T00:00:00Z"), ("deletionGracePeriodSeconds", 3)]
)
def test_update_cannot_set_a_time_of_deletion(field, value):
    old = {"name": "a", "namespace": "n", "uid": "u"}
    new = {"name": "a", "namespace": "n", field: value}
    metadata.prepare_update(new, old)
    problems = metadata.validate_update(new, old, namespaced=True)
    assert {problem.field for problem in problems} == {f"metadata.{field}"}


def test_update_may_leave_the_time_of_deletion_out():
    old = {"name": "a", "namespace": "n", "deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    new = {"name": "a", "namespace": "n"}
    metadata.prepare_update(new, old)
    assert new == old
    assert not metadata.validate_update(new, old, namespaced=True)


def test_a_body_that_parses_is_taken_for_a_patch_later():
    change = parse("application/json-patch+json", custom=True)
    decoded = change.decode(b'"x"')
    with pytest.raises(StatusError):
        change.document(decoded, {})
    with pytest.raises(StatusError):
        change.decode(b"zzz")
