"""How the versions of a custom kind reach each other (FEATURES rows 116 and 117)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from conversion.hub import Spoke
from watchd.status import internal

Object = dict[str, Any]

NOT_CALLED = "this server does not call conversion webhooks"


def spokes(spec: Mapping[str, Any], hub: str) -> dict[str, Spoke]:
    """Return the functions between the hub and the other versions; none for strategy None, where only apiVersion differs.

    Objects that a webhook would have to convert are refused: what no webhook has seen must not pass for converted.
    """
    if (spec.get("conversion") or {}).get("strategy") != "Webhook":
        return {}
    group, kind = spec["group"], spec["names"]["kind"]
    to_hub = _refuse(f"{group}/{hub}, Kind={kind}")
    return {
        version["name"]: Spoke(to_hub, _refuse(f"{group}/{version['name']}, Kind={kind}"))
        for version in spec["versions"]
        if version["name"] != hub
    }


def _refuse(target: str) -> Callable[[Object], NoReturn]:
    def convert(obj: Object) -> NoReturn:
        """Raise StatusError 500, as when the webhook cannot be reached."""
        del obj
        raise internal(f"conversion webhook for {target} failed: {NOT_CALLED}")

    return convert
