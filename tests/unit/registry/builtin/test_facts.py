"""The table of facts: what it says of kinds, and that no strategy says otherwise."""

from __future__ import annotations

import msgspec
import pytest

from tests.builtin import KINDS, builtin
from watchd.api.selectors import FieldSelector
from watchd.registry.builtin import facts
from watchd.registry.strategy import NameFormat, Strategy
from watchd.status import StatusError

KEYS = {(kind.group, kind.names.plural) for kind in KINDS}


@pytest.mark.parametrize(
    "named", [facts.CONDITIONAL, facts.CREATED_ON_UPDATE, facts.RETURNED, facts.NAMES, facts.OWN_UNKNOWN_FIELD, facts.NOT_ENFORCED]
)
def test_tables_name_kinds_that_there_are(named):
    assert named
    assert set(named) <= KEYS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.virtual], ids=lambda kind: f"{kind.names.plural}.{kind.group}")
def test_strategies_agree_with_the_table(kind):
    said = msgspec.structs.asdict(facts.facts_of(kind.group, kind.names.plural))
    assert {name: getattr(kind.strategy, name) for name in said} == said


def test_what_a_strategy_says_itself_stands():
    class Own(Strategy):
        name_format = NameFormat.PATH_SEGMENT

    found = facts.with_facts(Own(), "policy", "poddisruptionbudgets")
    assert (found.name_format, found.unconditional_update) == (NameFormat.PATH_SEGMENT, False)
    assert Strategy.unconditional_update


@pytest.mark.parametrize(
    ("group", "plural", "message"),
    [
        ("", "pods", "field label not supported: x"),
        ("", "configmaps", '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("batch", "jobs", 'field label "x" not supported for Job'),
        ("resource.k8s.io", "resourceslices", "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: x"),
    ],
)
def test_unknown_fields_are_refused_in_the_kinds_words(group, plural, message):
    with pytest.raises(StatusError) as refused:
        FieldSelector.parse("x=1").check_fields((), builtin(group, plural).strategy.unknown_field)
    assert refused.value.message == message
