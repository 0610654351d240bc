"""Lease: a lock with a renewal time, for leader election (FEATURES rows 12, 13)."""

from __future__ import annotations

from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.seams import Clock, Entropy
from watchd.status import FieldError, FieldProblem

GATED = ("strategy", "preferredHolder")
"""Fields of coordinated leader election, which the reference drops unless its feature gate is on."""


class LeaseStrategy(Strategy):
    """The rules of Lease."""

    create_on_update = True
    unconditional_update = False

    def default(self, obj: Object) -> None:
        """Write an empty spec, as the reference does."""
        obj.setdefault("spec", {})

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Drop what is gated."""
        del clock, entropy
        for field in GATED:
            obj["spec"].pop(field, None)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Drop what is gated."""
        del old, subresource
        for field in GATED:
            obj["spec"].pop(field, None)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the numbers."""
        spec = obj.get("spec", {})
        out: list[FieldError] = []
        duration = spec.get("leaseDurationSeconds")
        if duration is not None and duration <= 0:
            out.append(
                FieldError(FieldProblem.INVALID, "spec.leaseDurationSeconds", duration, "must be greater than 0")
            )
        transitions = spec.get("leaseTransitions")
        if transitions is not None and transitions < 0:
            why = "must be greater than or equal to 0"
            out.append(FieldError(FieldProblem.INVALID, "spec.leaseTransitions", transitions, why))
        return out


STRATEGY = LeaseStrategy()

COLUMNS = (
    NAME,
    Column("Holder", lambda obj, _: obj.get("spec", {}).get("holderIdentity", ""), description="The lease's holder"),
    AGE,
)
