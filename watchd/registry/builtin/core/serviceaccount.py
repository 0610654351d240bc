"""ServiceAccount: an identity for processes."""

from __future__ import annotations

from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


class ServiceAccountStrategy(Strategy):
    """The rules of ServiceAccount."""

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Keep only the names of the secrets."""
        del clock, entropy
        _names_only(obj)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep only the names of the secrets."""
        del old, subresource
        _names_only(obj)


    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Warn of an annotation that is new and deprecated."""
        before = (old or {}).get("metadata", {}).get("annotations", {})
        if MOUNTABLE in obj["metadata"].get("annotations", {}) and MOUNTABLE not in before:
            advice = "prefer separate namespaces to isolate access to mounted secrets"
            warn(f"metadata.annotations[{MOUNTABLE}]: deprecated in v1.32+; {advice}")
        return super().judge(obj, old, subresource, warn)


def _names_only(obj: Object) -> None:
    if "secrets" in obj:
        obj["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in obj["secrets"]]


STRATEGY = ServiceAccountStrategy()

COLUMNS = (
    NAME,
    Column("Secrets", lambda obj, _: len(obj.get("secrets", [])), description="The number of secrets"),
    AGE,
)
