"""Ways to what runs on nodes: log, exec, attach, portforward and proxies.

This server has no kubelet and reaches no Pod. What the reference refuses before it goes to a node is refused here in its words;
where it would go there, the answer says plainly that nobody is there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from watchd.api.call import Call
from watchd.api.message import Response
from watchd.api.warning import warning_headers
from watchd.names import dns1123_subdomain
from watchd.registry.builtin.common.fields import NEGATIVE, forbidden, invalid
from watchd.registry.store import Store
from watchd.schema.goscalars import TypeMismatch, canonical_time
from watchd.status import FieldError, Reason, StatusError, bad_request, go_quote, not_found
from watchd.status import invalid as invalid_object

Object = dict[str, Any]

Connect = Callable[[Call], Awaitable[Response]]
"""Answers a request for a way to somewhere. Raises StatusError."""

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
"""Where a Pod has its containers, in the order in which messages list them."""

SCHEMES = ("http", "https", "")
"""What the name of a proxy's path may begin with."""

NO_FIELD = "[]"
"""How the reference writes the path of no field."""

INT64 = range(-(1 << 63), 1 << 63)


@attrs.frozen
class Connections:
    """Answers requests for ways to what runs on nodes."""

    store: Store

    async def log(self, call: Call) -> Response:
        """Answer pods/log: nothing (204) where the Pod has no node yet, as in the reference."""
        options = _log_options(call.request.query)
        if problems := _log_problems(options):
            raise invalid_object("", "PodLogOptions", call.info.name, problems)
        pod = await self.store.find("", "pods", call.info.namespace, call.info.name)
        _check_container(pod, call.request.param("container"))
        if not pod["spec"].get("nodeName"):
            return Response(204, warning_headers(call.warnings))
        raise await self._no_kubelet(pod)

    async def exec(self, call: Call) -> Response:
        """Answer pods/exec and pods/attach."""
        pod = await self.store.find("", "pods", call.info.namespace, call.info.name)
        _check_container(pod, call.request.param("container"))
        raise await self._no_kubelet(pod)

    async def port_forward(self, call: Call) -> Response:
        """Answer pods/portforward."""
        raise await self._no_kubelet(await self.store.find("", "pods", call.info.namespace, call.info.name))

    async def pod_proxy(self, call: Call) -> Response:
        """Answer pods/proxy."""
        name, _ = _target(call, "pod")
        status = (await self.store.find("", "pods", call.info.namespace, name)).get("status") or {}
        addresses = status.get("podIPs") or ()
        if not _proxyable(addresses[0].get("ip", "") if addresses else status.get("podIP", "")):
            raise bad_request("address not allowed")
        raise _unreachable(f"pod {go_quote(name)}")

    async def service_proxy(self, call: Call) -> Response:
        """Answer services/proxy."""
        name, port = _target(call, "service")
        if port.isdigit():
            service = await self.store.find("", "services", call.info.namespace, name)
            if not any(found.get("port") == int(port) for found in service["spec"].get("ports") or ()):
                why = f"no service port {int(port)} found for service {go_quote(name)}"
                raise StatusError(Reason.SERVICE_UNAVAILABLE, why)
        why = f"no endpoints available for service {go_quote(name)}"
        raise StatusError(Reason.SERVICE_UNAVAILABLE, why)

    async def node_proxy(self, call: Call) -> Response:
        """Answer nodes/proxy."""
        name, _ = _target(call, "node")
        await self.store.find("", "nodes", "", name)
        raise _unreachable(f"node {go_quote(name)}")

    async def _no_kubelet(self, pod: Object) -> StatusError:
        """Return why the node of a Pod is not asked."""
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
        if not node:
            return bad_request(f"pod {name} does not have a host assigned")
        nodes = self.store.registry.hub("", "nodes")
        if await self.store.log.get(nodes.key("", node)) is None:
            # The reference looks for the node, and tells of it as if it were the Pod.
            return not_found("", "pods", node)
        return _unreachable(f"node {go_quote(node)} of pod {go_quote(name)}")


def _unreachable(what: str) -> StatusError:
    why = f"{what} cannot be reached: this server has no kubelet and no network of pods"
    return StatusError(Reason.SERVICE_UNAVAILABLE, why)


def _check_container(pod: Object, name: str) -> None:
    """Check which container is asked for. Raises StatusError 400."""
    spec, pod_name = pod["spec"], pod["metadata"]["name"]
    known = [container["name"] for field in CONTAINERS for container in spec.get(field) or ()]
    if name:
        if name not in known:
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        return
    if len(spec.get("containers") or ()) == 1:
        return
    choice = f", choose one of: [{' '.join(known)}]" if spec.get("containers") else ""
    raise bad_request(f"a container name must be specified for pod {pod_name}{choice}")


def _target(call: Call, what: str) -> tuple[str, str]:
    """Return name and port of a proxy's target (`name`, `name:port`, `scheme:name:port`). Raises StatusError 400."""
    parts = call.info.name.split(":")
    scheme, name, port = {1: ("", parts[0], ""), 2: ("", *parts)}.get(len(parts), parts if len(parts) == 3 else ("", "", ""))
    if scheme not in SCHEMES or not name or dns1123_subdomain(name):
        raise bad_request(f"invalid {what} request {go_quote(call.info.name)}")
    return name, port


def _proxyable(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified or found.is_multicast or found.is_link_local)


def _log_options(query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Read the options of pods/log that have rules. Raises StatusError 400."""
    out: dict[str, Any] = {}
    for name in ("sinceSeconds", "tailLines", "limitBytes"):
        if values := query.get(name):
            out[name] = _integer(values[0])
    if since := (query.get("sinceTime") or [""])[0]:
        try:
            out["sinceTime"] = canonical_time(since)
        except TypeMismatch as error:
            raise bad_request(str(error)) from error
    if "stream" in query:
        out["stream"] = query["stream"][0]
    return out


def _integer(text: str) -> int:
    digits = text.removeprefix("-").removeprefix("+")
    if not digits.isascii() or not digits.isdigit():
        raise bad_request(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax")
    if int(text) not in INT64:
        raise bad_request(f"strconv.ParseInt: parsing {go_quote(text)}: value out of range")
    return int(text)


def _log_problems(options: Mapping[str, Any]) -> list[FieldError]:
    out: list[FieldError] = []
    tail, limit, since = (options.get(name) for name in ("tailLines", "limitBytes", "sinceSeconds"))
    if tail is not None and tail < 0:
        out.append(invalid("tailLines", tail, NEGATIVE))
    if limit is not None and limit < 1:
        out.append(invalid("limitBytes", limit, "must be greater than 0"))
    if since is not None and "sinceTime" in options:
        out.append(forbidden(NO_FIELD, "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif since is not None and since < 1:
        out.append(invalid("sinceSeconds", since, "must be greater than 0"))
    if "stream" in options:
        out.append(forbidden("stream", "may not be specified"))
    return out
