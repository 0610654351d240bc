"""ServiceAccount: an identity for processes."""

from __future__ import annotations

from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.seams import Clock, Entropy


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


def _names_only(obj: Object) -> None:
    if "secrets" in obj:
        obj["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in obj["secrets"]]


STRATEGY = ServiceAccountStrategy()

COLUMNS = (
    NAME,
    Column("Secrets", lambda obj, _: len(obj.get("secrets", [])), description="The number of secrets"),
    AGE,
)
