"""Service: a name and an address for pods. Addresses and node ports are handed out by watchd.admission.service_stock."""

from __future__ import annotations

from watchd.registry.builtin.core.service_rules import balancer_problems, changes, problems, warnings
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import NameFormat, Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"

HEADLESS = "None"
"""The clusterIP of a Service that wants no address."""

AFFINITY_SECONDS = 10800
"""How long a client stays with its endpoint unless told otherwise (3 h)."""

COMPONENT = "io.k8s.api.core.v1.ServiceSpec"


def needs_address(spec: Object) -> bool:
    """Tell whether Services of this type have what belongs to an address, be it "None"."""
    return bool(spec.get("type") != EXTERNAL_NAME)


def exposed(spec: Object) -> bool:
    """Tell whether a Service can be reached from outside (the reference's ExternallyAccessible)."""
    kind = spec.get("type")
    return kind in (NODE_PORT, LOAD_BALANCER) or (kind == CLUSTER_IP and bool(spec.get("externalIPs")))


def needs_health_port(spec: Object) -> bool:
    """Tell whether a balancer asks nodes on a port of its own whether they have endpoints."""
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"


class ServiceStrategy(Strategy):
    """The rules of Service."""

    name_format = NameFormat.LABEL
    create_on_update = True
    returns_deleted = True
    selectable_fields = ("spec.clusterIP", "spec.type")

    def default(self, obj: Object) -> None:
        """Fill in type, affinity, ports and traffic policies."""
        spec = obj.setdefault("spec", {})
        if spec.setdefault("sessionAffinity", "None") == "None":
            spec.pop("sessionAffinityConfig", None)
        elif spec["sessionAffinity"] == "ClientIP" and "timeoutSeconds" not in spec.get("sessionAffinityConfig", {}).get("clientIP", {}):
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}
        kind = spec.setdefault("type", CLUSTER_IP)
        for port in spec.get("ports", ()):
            port.setdefault("protocol", "TCP")
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port["port"]
        if exposed(spec):
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if kind in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER):
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if kind == LOAD_BALANCER:
            spec.setdefault("allocateLoadBalancerNodePorts", True)
            for ingress in obj.get("status", {}).get("loadBalancer", {}).get("ingress", ()):
                if ingress.get("ip"):
                    ingress.setdefault("ipMode", "VIP")

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin without a status."""
        del clock, entropy
        obj["status"] = {"loadBalancer": {}}
        _drop_unused(obj["spec"])

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Drop what the new type has no use for, where the client left it as it was."""
        if subresource != "status":
            _drop(obj["spec"], old["spec"])
            _drop_unused(obj["spec"])
            if obj["spec"]["type"] != LOAD_BALANCER:
                obj["status"] = {**obj.get("status", {}), "loadBalancer": {}}

    def validate(self, obj: Object) -> list[FieldError]:
        """Check a new Service."""
        return problems(obj, None)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check what may change, and the whole."""
        if subresource == "status":
            return balancer_problems(obj, old)
        return changes(obj["spec"], old["spec"]) + problems(obj, old)

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check, and warn of what is ignored or not the usual way."""
        for text in warnings(obj, subresource):
            warn(text)
        return super().judge(obj, old, subresource, warn)

    def fields(self, obj: Object) -> dict[str, str]:
        """Return address and type."""
        spec = obj.get("spec", {})
        return {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}


def _node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}


def _drop(spec: Object, old: Object) -> None:
    """Wipe fields that the old type needed and the new one does not (the reference's dropTypeDependentFields)."""
    if needs_address(old) and not needs_address(spec):
        if all(spec.get(name) == old.get(name) for name in ("clusterIP", "clusterIPs")):
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
        _drop_same(spec, old, "ipFamilies")
        _drop_same(spec, old, "ipFamilyPolicy")
    with_ports = (NODE_PORT, LOAD_BALANCER)
    if old["type"] in with_ports and spec["type"] not in with_ports and _node_ports(spec) <= _node_ports(old):
        for port in spec.get("ports", ()):
            port.pop("nodePort", None)
    if needs_health_port(old) and not needs_health_port(spec):
        _drop_same(spec, old, "healthCheckNodePort")
    if old["type"] == LOAD_BALANCER and spec["type"] != LOAD_BALANCER:
        _drop_same(spec, old, "allocateLoadBalancerNodePorts")
        _drop_same(spec, old, "loadBalancerClass")
    if exposed(old) and not exposed(spec):
        _drop_same(spec, old, "externalTrafficPolicy")


def _drop_unused(spec: Object) -> None:
    """Leave out what names outside have no use for; the reference hides it when it is read."""
    if spec["type"] == EXTERNAL_NAME:
        spec.pop("internalTrafficPolicy", None)


def _drop_same(spec: Object, old: Object, name: str) -> None:
    if spec.get(name) == old.get(name):
        spec.pop(name, None)


def _external(obj: Object, _: int) -> str:
    spec = obj.get("spec", {})
    given = list(spec.get("externalIPs", ()))
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(given) or "<none>"
        case "LoadBalancer":
            balancers = balancer_text(obj.get("status", {}).get("loadBalancer", {}))
            return ",".join([*filter(None, [balancers]), *given]) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return "<unknown>"


def balancer_text(balancer: Object) -> str:
    """Write the addresses of balancers as Tables show them; Ingresses have such ones too."""
    return ",".join(sorted({ingress.get("ip") or ingress.get("hostname") or "" for ingress in balancer.get("ingress", ())} - {""}))


def _ports(obj: Object, _: int) -> str:
    def text(port: Object) -> str:
        outside = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port['port']}{outside}/{port['protocol']}"

    return ",".join(map(text, obj.get("spec", {}).get("ports", ()))) or "<none>"


def labels_text(labels: Object) -> str:
    """Write a map of labels as Tables show it."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


STRATEGY = ServiceStrategy()

COLUMNS = (
    NAME,
    Column("Type", lambda obj, _: obj.get("spec", {}).get("type", ""), field=(COMPONENT, "type")),
    Column("Cluster-IP", lambda obj, _: next(iter(obj.get("spec", {}).get("clusterIPs", ())), "<none>"), field=(COMPONENT, "clusterIP")),
    Column("External-IP", _external, field=(COMPONENT, "externalIPs")),
    Column("Port(s)", _ports, field=(COMPONENT, "ports")),
    AGE,
    Column("Selector", lambda obj, _: labels_text(obj.get("spec", {}).get("selector", {})), priority=1, field=(COMPONENT, "selector")),
)
