"""FlowSchema: which requests are of one flow, and to which level of priority it belongs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, required
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.values import label, subdomain
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

PRECEDENCE, PRECEDENCE_MAX = 1000, 10_000

EXEMPT = "exempt"
"""The one schema, and the one level, that nothing stands before."""

DISTINGUISHERS = ("ByNamespace", "ByUser")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
"""By kind of a subject: its field."""

COMPONENT = "io.k8s.api.flowcontrol.v1"


class FlowSchemaStrategy(Strategy):
    """The rules of FlowSchema."""

    generation = True

    def default(self, obj: Object) -> None:
        """Fill in the precedence."""
        spec = obj.get("spec") or {}
        if spec and not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = PRECEDENCE

    def validate(self, obj: Object) -> list[FieldError]:
        """Check precedence, level and rules."""
        spec = obj.get("spec") or {}
        out = _precedence(spec.get("matchingPrecedence", 0), obj["metadata"].get("name", ""))
        method = spec.get("distinguisherMethod")
        if method is not None and method.get("type") not in DISTINGUISHERS:
            shown = internal(method, f"{COMPONENT}.FlowDistinguisherMethod")
            out.append(not_supported("spec.distinguisherMethod.type", shown, DISTINGUISHERS))
        level, path = (spec.get("priorityLevelConfiguration") or {}).get("name", ""), "spec.priorityLevelConfiguration.name"
        out += subdomain(level, path) if level else [required(path, "must reference a priority level")]
        for index, rule in enumerate(spec.get("rules") or ()):
            out += _rule(rule, f"spec.rules[{index}]")
        return out + status_problems(obj)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, or the status alone."""
        del old
        return status_problems(obj) if subresource == "status" else self.validate(obj)


def status_problems(obj: Object) -> list[FieldError]:
    """Return what is wrong with the conditions of a status."""
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        path, kind = f"status.conditions[{index}].type", condition.get("type", "")
        if kind in seen:
            out.append(duplicate(path, kind))
        seen.add(kind)
        if not kind:
            out.append(required(path))
    return out


def _precedence(number: int, name: str) -> list[FieldError]:
    path = "spec.matchingPrecedence"
    if number <= 0:
        return [invalid(path, number, "must be a positive value")]
    if number > PRECEDENCE_MAX:
        return [invalid(path, number, f"must not be greater than {PRECEDENCE_MAX}")]
    if number == 1 and name != EXEMPT:
        return [invalid(path, number, f"only the schema named '{EXEMPT}' may have matchingPrecedence 1")]
    return []


def _rule(rule: Object, path: str) -> list[FieldError]:
    subjects, resources, urls = (rule.get(name) or () for name in ("subjects", "resourceRules", "nonResourceRules"))
    out = [] if subjects else [required(f"{path}.subjects", "subjects must contain at least one value")]
    for index, subject in enumerate(subjects):
        out += _subject(subject, f"{path}.subjects[{index}]")
    if not resources and not urls:
        out.append(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"))
    for index, each in enumerate(resources):
        out += _resource_rule(each, f"{path}.resourceRules[{index}]")
    for index, each in enumerate(urls):
        out += _url_rule(each, f"{path}.nonResourceRules[{index}]")
    return out


def _subject(subject: Object, path: str) -> list[FieldError]:
    kind = subject.get("kind", "")
    field = SUBJECTS.get(kind)
    if field is None:
        return [not_supported(f"{path}.kind", kind, sorted(SUBJECTS))]
    out: list[FieldError] = []
    found = subject.get(field)
    if found is None:
        out.append(required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'"))
    else:
        out += _subject_name(found, field, f"{path}.{field}")
    others = ((name, other) for other, name in SUBJECTS.items() if name != field)
    why = "{0} is forbidden when subject kind is not '{1}'"
    return out + [forbidden(f"{path}.{name}", why.format(name, other)) for name, other in others if subject.get(name) is not None]


def _subject_name(found: Object, field: str, path: str) -> list[FieldError]:
    name, namespace = found.get("name", ""), found.get("namespace", "")
    out = [] if name else [required(f"{path}.name")]
    if field != "serviceAccount":
        return out
    if name and name != "*":
        out += subdomain(name, f"{path}.name")
    return out + (label(namespace, f"{path}.namespace") if namespace else [required(f"{path}.namespace", "must specify namespace for service account")])


def _verbs(verbs: list[str], path: str) -> list[FieldError]:
    if not verbs:
        return [required(path, "verbs must contain at least one value")]
    if "*" in verbs:
        return [invalid(path, verbs, "if '*' is present, must not specify other verbs")] if len(verbs) > 1 else []
    return [] if set(verbs) <= set(VERBS) else [not_supported(path, verbs, VERBS)]


def _url_rule(rule: Object, path: str) -> list[FieldError]:
    out, urls, at = _verbs(rule.get("verbs") or [], f"{path}.verbs"), rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not urls:
        return [*out, required(at, "nonResourceURLs must contain at least one value")]
    if "*" in urls:
        return [*out, invalid(at, urls, "if '*' is present, must not specify other non-resource URLs")] if len(urls) > 1 else out
    found = ((index, url, _url(url)) for index, url in enumerate(urls))
    return out + [invalid(f"{at}[{index}]", url, why) for index, url, why in found if why]


def _url(url: str) -> str:
    """Return what is wrong with a path, or nothing."""
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    return "wildcard can only do suffix matching" if stars > 1 or (stars and not url.endswith("/*")) else ""


def _resource_rule(rule: Object, path: str) -> list[FieldError]:
    out = _verbs(rule.get("verbs") or [], f"{path}.verbs")
    for field, one, others in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        values = rule.get(field) or []
        if not values:
            out.append(required(f"{path}.{field}", f"resource rules must supply at least one {one}"))
        elif len(values) > 1 and "*" in values:
            out.append(invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {others}"))
    return out + _namespaces(rule.get("namespaces") or [], f"{path}.namespaces", whole=bool(rule.get("clusterScope")))


def _namespaces(names: list[str], path: str, *, whole: bool) -> list[FieldError]:
    if not names and not whole:
        return [required(path, "resource rules that are not cluster scoped must supply at least one namespace")]
    if "*" in names:
        return [invalid(path, names, "if '*' is present, must not specify other namespaces")] if len(names) > 1 else []
    intro = "each member of this list must be '*' or a DNS-1123 label; "
    return [
        invalid(f"{path}[{index}]", name, f"{intro}{error.detail}")
        for index, name in enumerate(names)
        for error in label(name, path)
    ]


STRATEGY = FlowSchemaStrategy()


def _spec(read: Callable[[Object], object]) -> Callable[[Object, int], object]:
    return lambda obj, _: read(obj.get("spec") or {})


def _dangling(obj: Object, _: int) -> str:
    conditions: Sequence[Object] = (obj.get("status") or {}).get("conditions") or ()
    return next((str(each.get("status", "")) for each in conditions if each.get("type") == "Dangling"), "?")


COLUMNS = (
    NAME,
    Column(
        "PriorityLevel",
        _spec(lambda spec: (spec.get("priorityLevelConfiguration") or {}).get("name", "")),
        field=(f"{COMPONENT}.PriorityLevelConfigurationReference", "name"),
    ),
    Column(
        "MatchingPrecedence", _spec(lambda spec: spec.get("matchingPrecedence", 0)), field=(f"{COMPONENT}.FlowSchemaSpec", "matchingPrecedence")
    ),
    Column(
        "DistinguisherMethod",
        _spec(lambda spec: (spec.get("distinguisherMethod") or {"type": "<none>"}).get("type", "")),
        field=(f"{COMPONENT}.FlowSchemaSpec", "distinguisherMethod"),
    ),
    AGE,
    Column("MissingPL", _dangling, description="references a broken or non-existent PriorityLevelConfiguration"),
)
