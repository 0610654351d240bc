"""What a rich schema costs: decode, prune, default and validate one custom resource, in this process, without HTTP.

Nothing of the reference is like it; `causes` beside `validate` shows what the quick verdict saves. A Pod of a built-in kind
is decoded by its type: as it is, and with an unknown field, for which it is walked again to find the words.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.pods import pod
from benchmarks.routes import ROUTE, large_route
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from watchd.registry.embedded import RULES
from watchd.registry.schemas import whole
from watchd.schema.compiled import CompiledSchema
from watchd.schema.typed import prune_and_check
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


POD = orjson.dumps(pod())
ODD_POD = orjson.dumps({**pod(), "odd": 1})


def _fit(obj: Object) -> object:
    return prune_and_check(obj, whole("io.k8s.api.core.v1.Pod"))


TYPED: dict[str, tuple[bytes, Callable[[Object], object]]] = {
    "decode by type": (POD, _fit),
    "decode by type, an unknown field": (ODD_POD, _fit),
}
"""What is timed of a Pod: the body, and what is done with it."""


def _run(bench: Bench, step: str, _peer: Peer, _repetition: int) -> Run:
    schema = CompiledSchema(ROUTE, RULES)
    return _time(bench, BODY, partial(STEPS[step], schema))


def _run_typed(bench: Bench, step: str, _peer: Peer, _repetition: int) -> Run:
    return _time(bench, *TYPED[step])


def _time(bench: Bench, body: bytes, work: Callable[[Object], object]) -> Run:
    rounds = max(1, bench.counts.gets // OBJECTS // 4)
    taken = 0.0
    work(orjson.loads(body))
    for _ in range(rounds):
        objects = [orjson.loads(body) for _ in range(OBJECTS)]
        begin = time.process_time()
        for obj in objects:
            work(obj)
        taken += time.process_time() - begin
    count = rounds * OBJECTS
    return {Figure.CPU_OPERATION: taken / count * 1e6, Figure.THROUGHPUT: count / taken}


def cases(bench: Bench) -> list[Case]:
    """One for each step."""
    custom = [Case(f"{step}, {len(BODY) / 1024:.0f} KB", partial(_run, bench, step)) for step in STEPS]
    return custom + [Case(f"Pod: {step}, {len(body) / 1024:.0f} KB", partial(_run_typed, bench, step)) for step, (body, _) in TYPED.items()]


WORKLOAD = Workload("schema", "a custom resource and its rich schema, and a Pod", Setting.EMPTY, cases, only="watchd")
