"""What a claim asks for: requests for devices, constraints between them, configuration (resource.k8s.io DeviceClaim).

Selecting expressions are looked at no further than their length: nothing here evaluates them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from watchd.names import dns1123_subdomain
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, one_of, required
from watchd.registry.builtin.common.selectors import label_problems
from watchd.registry.builtin.common.values import label, subdomain, too_long
from watchd.registry.builtin.core.affinity import label_name
from watchd.registry.strategy import Object
from watchd.status import FieldError, FieldProblem, go_json

EXACT, ALL = "ExactCount", "All"
EFFECTS = ("NoExecute", "NoSchedule", "None")
OPERATORS = ("Equal", "Exists")

LIST_MAX = 32
"""Requests, constraints, configurations and selectors that may stand together."""
ALTERNATIVES_MAX = 8
"""Subrequests of a request."""

DRIVER_MAX = 63
ID_MAX = 32
POOL_MAX = 253
EXPRESSION_MAX = 10 << 10
PARAMETERS_MAX = 10 << 10
"""Bytes."""

NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

NO_SUBDOMAIN = (
    "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'Example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

Names = Mapping[str, frozenset[str]]
"""By name of a request: the names of its subrequests."""

Last = list[FieldError]
"""Takes what the reference tells last: what its types themselves ask for."""


def default_claim(claim: Object) -> None:
    """Fill in how many devices requests are for, in place."""
    for request in claim.get("requests") or ():
        asked = [*(request.get("firstAvailable") or ()), *([request["exactly"]] if request.get("exactly") is not None else [])]
        for each in asked:
            if not each.get("allocationMode"):
                each["allocationMode"] = EXACT
            if each["allocationMode"] == EXACT and not each.get("count"):
                each["count"] = 1
            for toleration in each.get("tolerations") or ():
                toleration.setdefault("operator", "Equal")


def claim_problems(claim: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a DeviceClaim."""
    last: Last = []
    names = request_names(claim)
    requests, constraints, configs = (claim.get(name) or [] for name in ("requests", "constraints", "config"))
    out: list[FieldError] = []
    if _few(requests, LIST_MAX, f"{path}.requests", last):
        out += _unique(requests, f"{path}.requests", _request, last)
    if _few(constraints, LIST_MAX, f"{path}.constraints", last):
        for index, constraint in enumerate(constraints):
            out += _constraint(constraint, f"{path}.constraints[{index}]", names, last)
    if _few(configs, LIST_MAX, f"{path}.config", last):
        for index, config in enumerate(configs):
            at = f"{path}.config[{index}]"
            out += _references(config.get("requests") or [], f"{at}.requests", names, last)
            out += config_problems(config, at, last)
    return out + last


def request_names(claim: Object) -> Names:
    """Return the names that a claim's constraints, configuration and results may refer to."""
    return {
        request.get("name", ""): frozenset(each.get("name", "") for each in request.get("firstAvailable") or ())
        for request in claim.get("requests") or ()
    }


def too_many(path: str, number: int, most: int) -> FieldError:
    """Return the error of a list of more items than there may be."""
    return FieldError(FieldProblem.TOO_MANY, path, number, f"must have at most {most} items")


def _few(items: Sequence[Object], most: int, path: str, last: Last) -> bool:
    if len(items) > most:
        last.append(too_many(path, len(items), most))
    return len(items) <= most


def _unique(items: Sequence[Object], path: str, check: Callable[[Object, str, Last], list[FieldError]], last: Last) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    inner: Last = []
    for index, item in enumerate(items):
        out += check(item, f"{path}[{index}]", inner)
        name = item.get("name", "")
        if name in seen:
            last.append(duplicate(f"{path}[{index}]", go_name(name)))
        seen.add(name)
    last += inner
    return out


def go_name(name: str) -> object:
    """Return how a list's key is quoted that is told twice: as an object with the key."""
    return {"name": name}


def _request(request: Object, path: str, last: Last) -> list[FieldError]:
    out = label(request.get("name", ""), f"{path}.name")
    exactly, several = request.get("exactly"), request.get("firstAvailable") or []
    why = "exactly one of `exactly` or `firstAvailable` is required"
    if exactly is None and not several:
        out.append(required(path, why))
    elif exactly is not None and several:
        out.append(invalid(path, None, f"{why}, but multiple fields are set"))
        last += one_of(exactly["allocationMode"], (ALL, EXACT), f"{path}.exactly.allocationMode")
    elif exactly is None:
        if _few(several, ALTERNATIVES_MAX, f"{path}.firstAvailable", last):
            out += _unique(several, f"{path}.firstAvailable", _subrequest, last)
    else:
        name, at = exactly.get("deviceClassName", ""), f"{path}.exactly.deviceClassName"
        out += subdomain(name, at) if name else [required(at)]
        out += _asked(exactly, f"{path}.exactly", last)
    return out


def _subrequest(request: Object, path: str, last: Last) -> list[FieldError]:
    out = label(request.get("name", ""), f"{path}.name")
    name, at = request.get("deviceClassName", ""), f"{path}.deviceClassName"
    last += subdomain(name, at) if name else [required(at)]
    return out + _asked(request, path, last)


def _asked(request: Object, path: str, last: Last) -> list[FieldError]:
    out = selectors_problems(request.get("selectors") or [], f"{path}.selectors", last)
    mode, count = request["allocationMode"], request.get("count", 0)
    if mode == ALL and count:
        out.append(invalid(f"{path}.count", count, f"must not be specified when allocationMode is '{ALL}'"))
    elif mode == EXACT and count <= 0:
        out.append(invalid(f"{path}.count", count, "must be greater than zero"))
    last += one_of(mode, (ALL, EXACT), f"{path}.allocationMode")
    for index, toleration in enumerate(request.get("tolerations") or ()):
        out += _toleration(toleration, f"{path}.tolerations[{index}]", last)
    return out


def selectors_problems(selectors: Sequence[Object], path: str, last: Last) -> list[FieldError]:
    """Return what is wrong with selectors of devices."""
    if not _few(selectors, LIST_MAX, path, last):
        return []
    out: list[FieldError] = []
    for index, selector in enumerate(selectors):
        cel = selector.get("cel")
        if cel is None:
            out.append(required(f"{path}[{index}].cel"))
        elif len(cel.get("expression", "").encode()) > EXPRESSION_MAX:
            out.append(too_long(f"{path}[{index}].cel.expression", EXPRESSION_MAX))
    return out


def _toleration(toleration: Object, path: str, last: Last) -> list[FieldError]:
    key, value, effect = (toleration.get(name, "") for name in ("key", "value", "effect"))
    operator = toleration.get("operator", "")
    last += label_name(key, f"{path}.key") if key else []
    last += one_of(operator, OPERATORS, f"{path}.operator")
    last += one_of(effect, EFFECTS, f"{path}.effect") if effect else []
    if operator == "Exists" and value:
        return [invalid(f"{path}.value", value, "must be empty for operator `Exists`")]
    return label_value_problems(value, f"{path}.value") if operator == "Equal" else []


def label_value_problems(value: str, path: str) -> list[FieldError]:
    """Check the value of a label."""
    return label_problems({"a": value}, path)


def _constraint(constraint: Object, path: str, names: Names, last: Last) -> list[FieldError]:
    out = _references(constraint.get("requests") or [], f"{path}.requests", names, last)
    for field in ("matchAttribute", "distinctAttribute"):
        if constraint.get(field) is not None:
            last += qualified(constraint[field], f"{path}.{field}")
            return out
    why = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    return [*out, required(path, why)]


def qualified(name: str, path: str) -> list[FieldError]:
    """Check the whole name of an attribute: a domain and an identifier."""
    domain, slash, identifier = name.partition("/")
    if not slash:
        return [invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash")]
    out = driver_problems(domain, path) if domain else [invalid(path, "", "the domain must not be empty")]
    if not identifier:
        out.append(invalid(path, "", "the name must not be empty"))
    return out


def _references(requests: Sequence[str], path: str, names: Names, last: Last) -> list[FieldError]:
    out: list[FieldError] = []
    for index, name in enumerate(requests):
        out += reference_problems(name, f"{path}[{index}]", names)
        if name in requests[:index]:
            last.append(duplicate(f"{path}[{index}]", name))
    return out


def reference_problems(name: str, path: str, names: Names) -> list[FieldError]:
    """Check that a name is that of a request, or of one and its subrequest."""
    parts = name.split("/")
    if len(parts) > 2:
        return [invalid(path, name, NO_REQUEST)]
    out = [error for part in parts for error in label(part, path)]
    known = parts[0] in names and (len(parts) == 1 or parts[1] in names[parts[0]])
    return out if known else [*out, invalid(path, name, NO_REQUEST)]


def config_problems(config: Object, path: str, last: Last) -> list[FieldError]:
    """Return what is wrong with a configuration that only its driver understands."""
    opaque = config.get("opaque")
    if opaque is None:
        return [required(f"{path}.opaque")]
    driver, at = opaque.get("driver", ""), f"{path}.opaque.driver"
    last += caseless_driver_problems(driver, at)
    parameters, at = opaque.get("parameters"), f"{path}.opaque.parameters"
    if parameters is None:
        return [required(at)]
    if len(go_json(parameters).encode()) > PARAMETERS_MAX:
        return [too_long(at, PARAMETERS_MAX)]
    return [] if isinstance(parameters, dict) else [invalid(at, "<value omitted>", "must be a valid JSON object")]


def driver_problems(name: str, path: str) -> list[FieldError]:
    """Check the name of a driver."""
    if not name:
        return [required(path)]
    out = [too_long(path, DRIVER_MAX)] if len(name) > DRIVER_MAX else []
    return out + [invalid(path, name, text) for text in dns1123_subdomain(name.lower())]


def caseless_driver_problems(name: str, path: str) -> list[FieldError]:
    """Check the name of a driver in a field whose type asks for its form: other words are told there."""
    if not name:
        return [required(path)]
    out = [too_long(path, DRIVER_MAX)] if len(name) > DRIVER_MAX else []
    return [*out, invalid(path, name, NO_SUBDOMAIN)] if dns1123_subdomain(name.lower()) else out


def pool_problems(name: str, path: str) -> list[FieldError]:
    """Check the name of a pool of devices."""
    if not name:
        return [required(path)]
    out = [too_long(path, POOL_MAX)] if len(name) > POOL_MAX else []
    return out + [error for part in name.split("/") for error in subdomain(part, path)]
