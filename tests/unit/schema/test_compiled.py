"""A schema at work: what is dropped, filled in, refused and let pass."""

from __future__ import annotations

import copy
import time

import pytest

from benchmarks.routes import ROUTE, SPEC, route
from watchd.registry.embedded import RULES
from watchd.schema.compiled import CompiledSchema
from watchd.schema.custom import CustomSchema, ScalePaths
from watchd.schema.embedded import MetadataMismatch


@pytest.fixture(scope="module")
def schema():
    return CompiledSchema(ROUTE, RULES)


def wrong(schema, **spec):
    obj = route(**spec)
    schema.default(obj)
    return sorted(map(str, schema.validate(obj)))


def test_unknown_fields_are_dropped_and_told_in_order(schema):
    obj = route(
        z=1,
        extra={"anything": {"x": 1}, "known": {"dropped": 1}},
        labels={"a": "b"},
        template={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "unheard": 1}, "spec": {"x": 1}},
    )
    obj["spec"]["rules"][0]["b"] = {"deep": [1]}
    obj["status"] = {"a": 1}
    assert schema.coerce_and_prune(obj) == [
        "spec.extra.known.dropped",
        "spec.rules[0].b",
        "spec.z",
        "status.a",
        "spec.template.metadata.unheard",
    ]
    assert obj["spec"]["extra"] == {"anything": {"x": 1}, "known": {}}
    assert obj["spec"]["template"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"x": 1}}
    assert schema.coerce_and_prune(obj) == []


def test_the_metadata_of_an_embedded_resource_has_its_type(schema):
    with pytest.raises(MetadataMismatch, match=r"spec.template.metadata: Invalid value: .*cannot unmarshal number"):
        schema.coerce_and_prune(route(template={"metadata": {"labels": {"a": 1}}}))


@pytest.mark.parametrize(
    ("template", "errors"),
    [
        ({}, ["spec.template.apiVersion: Required value", "spec.template.kind: Required value"]),
        (
            {"apiVersion": "a/b/c", "kind": "x_y"},
            [
                'spec.template.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
                (
                    'spec.template.kind: Invalid value: "x_y": may have mixed case, but should otherwise match: a DNS-1035 label must '
                    "consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
                    "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
                    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
                ),
            ],
        ),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "A_b"}}, []),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a/b"}},
            ["spec.template.metadata.name: Invalid value: \"a/b\": may not contain '/'"],
        ),
    ],
)
def test_an_embedded_resource_is_named_well(schema, template, errors):
    assert wrong(schema, template=template) == errors


def test_fields_that_are_forbidden_are_told_in_the_order_of_the_object():
    schema = CompiledSchema({"type": "object", "properties": {"spec": {"type": "object", "additionalProperties": False}}}, RULES)
    found = [str(problem) for problem in schema.validate({"spec": dict.fromkeys("zaybxc", 1)})]
    assert [text.rpartition(": ")[2] for text in found] == [f"spec.{name} in body is a forbidden property" for name in "zaybxc"]


def test_defaults_fill_what_is_there_and_what_defaults_bring(schema):
    obj = route(policy={}, labels=None)
    schema.default(obj)
    assert obj["spec"] == {
        "rules": [
            {
                "targets": [{"name": "web", "port": 80, "group": "", "kind": "Service", "weight": 1}],
                "matches": [{"path": {"type": "Prefix", "value": "/"}}],
            }
        ],
        "policy": {"retries": 3},
    }
    assert obj["status"] == {"phase": "Pending"}


def test_defaults_are_not_shared_between_objects(schema):
    one, other = route(), route()
    schema.default(one)
    one["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/changed"
    schema.default(other)
    assert other["spec"]["rules"][0]["matches"][0]["path"]["value"] == "/"


def test_a_null_goes_stays_or_becomes_its_default(schema):
    obj = route(policy=None, hosts=None)
    obj["spec"]["rules"][0]["targets"][0]["weight"] = None
    schema.default(obj)
    assert obj["spec"]["policy"] is None
    assert "hosts" not in obj["spec"]
    assert obj["spec"]["rules"][0]["targets"][0]["weight"] == 1


@pytest.mark.parametrize("beside", [1 << 64, "\ud800", "null"], ids=["more than 64 bits", "half a surrogate pair", "the word"])
def test_a_null_goes_whatever_stands_beside_it(schema, beside):
    obj = route(extra={"any": beside}, hosts=None)
    schema.default(obj)
    assert "hosts" not in obj["spec"]
    assert obj["spec"]["extra"] == {"any": beside}


def test_defaults_of_map_values_and_list_entries_stand_for_their_nulls():
    entry = {"type": "object", "default": {"a": 1}, "properties": {"a": {"type": "integer"}, "b": {"type": "string", "default": "x"}}}
    values = {"type": "object", "additionalProperties": {"type": "array", "items": entry}}
    schema = CompiledSchema({"type": "object", "properties": {"spec": values}}, RULES)
    obj = {"spec": {"m": [None, {"a": 2}], "n": None}}
    schema.default(obj)
    assert obj == {"spec": {"m": [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]}}


def test_nulls_can_be_dropped_without_defaults(schema):
    obj = route(policy=None, hosts=None)
    obj["spec"]["rules"][0]["targets"][0]["weight"] = None
    schema.drop_nulls(obj)
    assert obj["spec"] == {"policy": None, "rules": [{"targets": [{"name": "web", "port": 80, "weight": None}]}]}


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        ({}, []),
        ({"rules": []}, ["spec.rules: Invalid value: 0: spec.rules in body should have at least 1 items"]),
        ({"rules": [{}] * 17}, ["spec.rules: Too many: 17: must have at most 16 items"]),
        ({"rules": "x"}, ['spec.rules: Invalid value: "string": spec.rules in body must be of type array: "string"']),
        (
            {"hosts": ["a", "b", "a"]},
            ['spec.hosts[2]: Duplicate value: "a"'],
        ),
        (
            {"hosts": ["UP"]},
            [
                (
                    'spec.hosts[0]: Invalid value: "UP": spec.hosts[0] in body should match '
                    r"'^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'"
                )
            ],
        ),
        ({"labels": {"a": "x" * 64}}, ["spec.labels.a: Too long: may not be more than 63 bytes"]),
        ({"labels": {str(i): "" for i in range(9)}}, ["spec.labels: Too many: 9: must have at most 8 items"]),
        (
            {"rules": [{"timeout": "soon"}]},
            [
                'spec.rules[0].timeout: Invalid value: "soon": spec.rules[0].timeout in body must be of type duration: "soon"'
            ],
        ),
        (
            {"rules": [{"targets": [{"name": "a", "weight": -1}]}]},
            [
                (
                    "spec.rules[0].targets[0].weight: Invalid value: -1: "
                    "spec.rules[0].targets[0].weight in body should be greater than or equal to 0"
                )
            ],
        ),
        (
            {"rules": [{"matches": [{"method": "TRACE"}]}]},
            [
                'spec.rules[0].matches[0].method: Unsupported value: "TRACE": supported values: "GET", "POST", "PUT", "DELETE"'
            ],
        ),
        (
            {"rules": [{"targets": [{"name": "a", "port": True}]}]},
            [
                '<nil>: Invalid value: "": "spec.rules[0].targets[0].port" must validate at least one schema (anyOf)',
                (
                    'spec.rules[0].targets[0].port: Invalid value: "boolean": '
                    'spec.rules[0].targets[0].port in body must be of type integer,string: "boolean"'
                ),
                (
                    'spec.rules[0].targets[0].port: Invalid value: "boolean": '
                    'spec.rules[0].targets[0].port in body must be of type integer: "boolean"'
                ),
            ],
        ),
        (
            {"rules": [{"filters": [{"type": "Header", "header": {}, "redirect": {}}]}]},
            [
                (
                    '<nil>: Invalid value: "": "spec.rules[0].filters[0]" must validate one and only one schema (oneOf). '
                    "Found 2 valid alternatives"
                )
            ],
        ),
        (
            {"rules": [{"filters": [{"type": "Mirror", "mirror": {"target": {}, "percent": 0}}]}]},
            [
                (
                    "spec.rules[0].filters[0].mirror.percent: Invalid value: 0: "
                    "spec.rules[0].filters[0].mirror.percent in body should be greater than 0"
                ),
                "spec.rules[0].filters[0].mirror.target.name: Required value",
            ],
        ),
        (
            {"rules": [{"matches": [{"headers": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]}]}]},
            ['spec.rules[0].matches[0].headers[1]: Duplicate value: {"name":"a"}'],
        ),
    ],
)
def test_causes(schema, spec, errors):
    assert wrong(schema, **spec) == errors


def test_what_did_not_change_may_stay_invalid(schema):
    old = route(hosts=["UP"], labels={"a": "x" * 64, "b": "y" * 64})
    new = copy.deepcopy(old)
    new["spec"]["policy"] = None
    assert schema.validate_update(new, old) == []
    new["spec"]["labels"]["b"] = "z" * 64
    assert [error.field for error in schema.validate_update(new, old)] == ["spec.labels.b"]
    # The entries of a set have no place of their own: all of the list is new.
    new["spec"]["hosts"] = ["UP", "ok"]
    assert [error.field for error in schema.validate_update(new, old)] == ["spec.hosts[0]", "spec.labels.b"]


def test_entries_of_a_keyed_list_are_compared_by_their_keys(schema):
    def headers(*values):
        return route(rules=[{"matches": [{"headers": [{"name": name, "value": value} for name, value in values]}]}])

    # Above the keyed list is an atomic one, so nothing below correlates.
    old, new = headers(("a", ""), ("b", "x")), headers(("b", "y"), ("a", ""))
    assert [error.field for error in schema.validate_update(new, old)] == ["spec.rules[0].matches[0].headers[1].value"]
    old, new = route(), route()
    old["status"] = {"conditions": [{"type": "a", "status": 1}]}
    new["status"] = {"conditions": [{"type": "b"}, {"type": "a", "status": 1}]}
    assert schema.validate_update(new, old) == []


def test_repeats_that_were_there_may_stay(schema):
    old, new = route(hosts=["a", "a"]), route(hosts=["a", "a", "b"])
    assert schema.validate_update(new, old) == []
    assert [str(error) for error in schema.validate_update(new, route())] == ['spec.hosts[1]: Duplicate value: "a"']


def test_a_status_write_is_held_to_the_status_alone(schema):
    old = route(hosts=["UP"])
    new = {**old, "status": {"phase": "Gone", "replicas": "x"}}
    assert sorted(map(str, schema.validate_status(new, old))) == [
        'status.phase: Unsupported value: "Gone": supported values: "Pending", "Ready"',
        'status.replicas: Invalid value: "string": replicas in body must be of type integer: "string"',
    ]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({"replicas": -1}, ".status.replicas: Invalid value: -1: should be a non-negative integer"),
        (
            {"replicas": 1 << 31},
            ".status.replicas: Invalid value: 2147483648: should be less than or equal to 2147483647",
        ),
    ],
)
def test_what_scale_reads_is_a_number_of_replicas(status, error):
    schema = CompiledSchema(ROUTE, RULES, scale=ScalePaths(".spec.policy.retries", ".status.replicas"))
    assert [str(found) for found in schema.validate({**route(), "status": status})] == [error]


def test_a_wrong_type_on_the_way_to_replicas():
    schema = CompiledSchema({}, RULES, scale=ScalePaths(".spec.policy.retries", ".status.replicas"))
    assert [str(found) for found in schema.validate(route(policy="x"))] == [
        (
            ".spec.policy.retries: Invalid value: 0: .spec.policy.retries accessor error: x is of the type string, "
            "expected map[string]interface{}"
        )
    ]


def test_the_skeleton_is_about_pruning_and_defaults_alone():
    def skeleton(**policy):
        spec = {**SPEC, "properties": {**SPEC["properties"], "policy": policy}}
        return CustomSchema({"type": "object", "properties": {"spec": spec}}, RULES).skeleton

    base = skeleton(type="object", properties={"a": {"type": "string"}})
    assert base == skeleton(type="object", description="x", properties={"a": {"type": "string", "maxLength": 3}})
    assert base != skeleton(type="object", properties={"a": {"type": "string", "default": ""}})
    assert base != skeleton(type="object", properties={"a": {"type": "string", "nullable": True}})
    assert base != skeleton(type="object", properties={"b": {"type": "string"}})


def test_a_large_definition_costs_nothing_before_it_is_used():
    wide = {"type": "object", "properties": {f"field{i}": SPEC for i in range(2000)}}
    started = time.perf_counter()
    CompiledSchema({"type": "object", "properties": {"spec": wide}}, RULES)
    assert time.perf_counter() - started < 0.005
