"""What a rich schema costs: decode, prune, default and validate one custom resource, in this process, without HTTP.

Nothing of the reference is like it; `causes` beside `validate` shows what the quick verdict saves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.routes import ROUTE, large_route
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from watchd.registry.embedded import RULES
from watchd.schema.compiled import CompiledSchema
from watchd.schema.validation import examine

Object = dict[str, Any]

OBJECTS = 200
"""Objects that are at hand in one go: pruning and defaulting change them."""

BODY = orjson.dumps(large_route())


def _whole(schema: CompiledSchema, _: Object) -> None:
    obj: Object = orjson.loads(BODY)
    schema.coerce_and_prune(obj)
    schema.default(obj)
    schema.validate(obj)


STEPS: dict[str, Callable[[CompiledSchema, Object], object]] = {
    "decode": lambda _, __: orjson.loads(BODY),
    "prune": lambda schema, obj: schema.coerce_and_prune(obj),
    "default": lambda schema, obj: schema.default(obj),
    "default the status": lambda schema, obj: schema.default_status(obj),
    "validate": lambda schema, obj: schema.validate(obj),
    "causes": lambda schema, obj: examine(obj, schema.node),
    "all but causes": _whole,
}
"""What is timed, by its name."""


def _run(bench: Bench, step: str, _peer: Peer, _repetition: int) -> Run:
    schema, work = CompiledSchema(ROUTE, RULES), STEPS[step]
    rounds = max(1, bench.counts.gets // OBJECTS // 4)
    taken = 0.0
    work(schema, orjson.loads(BODY))
    for _ in range(rounds):
        objects = [orjson.loads(BODY) for _ in range(OBJECTS)]
        begin = time.process_time()
        for obj in objects:
            work(schema, obj)
        taken += time.process_time() - begin
    count = rounds * OBJECTS
    return {Figure.CPU_OPERATION: taken / count * 1e6, Figure.THROUGHPUT: count / taken}


def cases(bench: Bench) -> list[Case]:
    """One for each step."""
    size = len(BODY) / 1024
    return [Case(f"{step}, {size:.0f} KB", partial(_run, bench, step)) for step in STEPS]


WORKLOAD = Workload("schema", "a custom resource and its rich schema", Setting.EMPTY, cases, only="watchd")
