"""PriorityLevelConfiguration: how many requests of a level are served at once, and what becomes of more."""

from __future__ import annotations

import math
from collections.abc import Callable

from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, required
from watchd.registry.builtin.flowcontrol.flowschema import COMPONENT, EXEMPT, status_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

SHARES = 30
QUEUES, HAND, LENGTH = 64, 8, 50
"""Queues of a level, those that a flow is dealt, and requests in each, unless told otherwise."""

QUEUES_MAX = 10_000_000

HASH_BITS = 60
"""Bits of the hash by which flows are dealt their queues."""

PRESERVE_ZERO = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares"
"""An annotation that only a conversion of older versions makes."""

PERCENT = "must be between 0 and 100, inclusive"


class PriorityLevelConfigurationStrategy(Strategy):
    """The rules of PriorityLevelConfiguration."""

    generation = True

    def default(self, obj: Object) -> None:
        """Fill in shares and queues."""
        spec = obj.get("spec") or {}
        exempt, limited = spec.get("exempt"), spec.get("limited")
        for level, shares in ((exempt, 0), (limited, SHARES)):
            if level is not None:
                for name, number in (("nominalConcurrencyShares", shares), ("lendablePercent", 0)):
                    level[name] = number if level.get(name) is None else level[name]
        if limited is not None:
            queuing = (limited.get("limitResponse") or {}).get("queuing")
            if queuing is not None:
                for name, number in (("queues", QUEUES), ("handSize", HAND), ("queueLengthLimit", LENGTH)):
                    queuing[name] = queuing.get(name) or number

    def validate(self, obj: Object) -> list[FieldError]:
        """Check type, shares and queues."""
        out: list[FieldError] = []
        if PRESERVE_ZERO in (obj["metadata"].get("annotations") or {}):
            out.append(forbidden("metadata.annotations", f"annotation '{PRESERVE_ZERO}' is forbidden"))
        spec = obj.get("spec") or {}
        kind = spec.get("type", "")
        if (obj["metadata"].get("name") == EXEMPT) != (kind == "Exempt"):
            out.append(invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'"))
        limited, exempt = spec.get("limited"), spec.get("exempt")
        if kind == "Exempt" and exempt is not None:
            out += _shares(exempt, "spec.exempt")
        elif kind == "Limited" and limited is not None:
            out += _limited(limited, "spec.limited")
        elif kind not in ("", "Exempt", "Limited"):
            out.append(not_supported("spec.type", kind, ("Exempt", "Limited")))
        return out + status_problems(obj) + _declared(spec)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, or the status alone."""
        del old
        return status_problems(obj) if subresource == "status" else self.validate(obj)


def _declared(spec: Object) -> list[FieldError]:
    """Return which fields are missing or too many for the types, which the reference tells last."""
    kind, limited = spec.get("type", ""), spec.get("limited")
    out: list[FieldError] = []
    if kind != "Exempt" and spec.get("exempt") is not None:
        out.append(forbidden("spec.exempt", ""))
    if kind != "Limited" and limited is not None:
        out.append(forbidden("spec.limited", ""))
    if kind == "Limited" and limited is None:
        out.append(required("spec.limited"))
    if not kind:
        out.append(required("spec.type"))
    if limited is None:
        return out
    response = limited.get("limitResponse") or {}
    path, queuing = "spec.limited.limitResponse", response.get("queuing")
    if response.get("type") != "Queue" and queuing is not None:
        out.append(forbidden(f"{path}.queuing", ""))
    if response.get("type") == "Queue" and queuing is None:
        out.append(required(f"{path}.queuing"))
    return out if response.get("type") else [*out, required(f"{path}.type")]


def _shares(level: Object, path: str) -> list[FieldError]:
    shares, lendable = level["nominalConcurrencyShares"], level["lendablePercent"]
    out: list[FieldError] = []
    if shares < 0:
        out.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    return out if 0 <= lendable <= 100 else [*out, invalid(f"{path}.lendablePercent", lendable, PERCENT)]


def _limited(level: Object, path: str) -> list[FieldError]:
    shares, lendable, borrowed = level["nominalConcurrencyShares"], level["lendablePercent"], level.get("borrowingLimitPercent")
    out: list[FieldError] = []
    if shares < 0:
        out.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    response = level.get("limitResponse") or {}
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Queue" and queuing is not None:
        out += _queuing(queuing, f"{path}.limitResponse.queuing")
    elif kind not in ("", "Queue", "Reject"):
        out.append(not_supported(f"{path}.limitResponse.type", kind, ("Queue", "Reject")))
    if not 0 <= lendable <= 100:
        out.append(invalid(f"{path}.lendablePercent", lendable, PERCENT))
    if borrowed is not None and borrowed < 0:
        out.append(invalid(f"{path}.borrowingLimitPercent", borrowed, "if specified, must be a non-negative integer"))
    return out


def _queuing(queuing: Object, path: str) -> list[FieldError]:
    queues, hand, length = queuing["queues"], queuing["handSize"], queuing["queueLengthLimit"]
    out = [] if length > 0 else [invalid(f"{path}.queueLengthLimit", length, "must be positive")]
    if queues <= 0:
        out.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > QUEUES_MAX:
        out.append(invalid(f"{path}.queues", queues, f"must not be greater than {QUEUES_MAX}"))
    why = ""
    if hand <= 0:
        why = "must be positive"
    elif hand > queues:
        why = f"should not be greater than queues ({queues})"
    elif _bits(queues, hand) > HASH_BITS:
        why = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
    return [*out, invalid(f"{path}.handSize", hand, why)] if why else out


def _bits(queues: int, hand: int) -> int:
    """Return how many bits tell the hands apart that can be dealt."""
    return math.ceil(math.log2(float(queues)) * hand)


STRATEGY = PriorityLevelConfigurationStrategy()


def _limit(read: Callable[[Object], object]) -> Callable[[Object, int], object]:
    def cell(obj: Object, _: int) -> object:
        limited = (obj.get("spec") or {}).get("limited")
        return "<none>" if limited is None else read(limited)

    return cell


def _queue(name: str) -> Column:
    def read(limited: Object) -> object:
        queuing = (limited.get("limitResponse") or {}).get("queuing")
        return "<none>" if queuing is None else queuing.get(name, 0)

    return Column(f"{name[:1].upper()}{name[1:]}", _limit(read), field=(f"{COMPONENT}.QueuingConfiguration", name))


COLUMNS = (
    NAME,
    Column("Type", lambda obj, _: (obj.get("spec") or {}).get("type", ""), field=(f"{COMPONENT}.PriorityLevelConfigurationSpec", "type")),
    Column(
        "NominalConcurrencyShares",
        _limit(lambda limited: limited.get("nominalConcurrencyShares", 0)),
        field=(f"{COMPONENT}.LimitedPriorityLevelConfiguration", "nominalConcurrencyShares"),
    ),
    _queue("queues"),
    _queue("handSize"),
    _queue("queueLengthLimit"),
    AGE,
)
