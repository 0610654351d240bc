"""How the versions of a custom kind reach each other (FEATURES rows 116 and 117)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from conversion.hub import Spoke
from watchd.status import Cause, Reason, StatusError, internal

Object = dict[str, Any]

NOT_CALLED = "this server does not call conversion webhooks"


def spokes(spec: Mapping[str, Any], hub: str) -> dict[str, Spoke]:
    """Return the functions between the hub and the other versions; none for strategy None, where only apiVersion differs.

    Objects that a webhook would have to convert are refused: what no webhook has seen must not pass for converted.
    """
    if (spec.get("conversion") or {}).get("strategy") != "Webhook":
        return {}
    group, kind = spec["group"], spec["names"]["kind"]

    def why(version: str) -> str:
        return f"conversion webhook for {group}/{version}, Kind={kind} failed: {NOT_CALLED}"

    def refuse_reading(obj: Object) -> NoReturn:
        """Raise StatusError 500, as the reference when its webhook cannot be reached."""
        del obj
        text = why(hub)
        raise StatusError(Reason.INTERNAL_ERROR, f"Internal error occurred: {text}", causes=[Cause("", text)])

    def refuse_writing(obj: Object) -> NoReturn:
        """Raise StatusError 500, the same for what comes in."""
        raise internal(why(obj["apiVersion"].rpartition("/")[2]))

    return {version["name"]: Spoke(refuse_writing, refuse_reading) for version in spec["versions"] if version["name"] != hub}
