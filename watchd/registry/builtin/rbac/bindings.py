"""RoleBinding and ClusterRoleBinding: to whom a role is given."""

from __future__ import annotations

from collections.abc import Callable

from watchd.names import path_segment
from watchd.registry.builtin.common.fields import invalid, not_supported, one_of, required
from watchd.registry.builtin.common.values import subdomain
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import NameFormat, Object, Strategy
from watchd.status import FieldError, Written, go_json

RBAC = "rbac.authorization.k8s.io"
SERVICE_ACCOUNT, USER, GROUP = "ServiceAccount", "User", "Group"


class RoleBindingStrategy(Strategy):
    """The rules of RoleBinding."""

    name_format = NameFormat.PATH_SEGMENT
    roles: tuple[str, ...] = ("Role", "ClusterRole")
    """The kinds that may be bound."""
    namespaced = True
    """Whether the binding has a namespace, which ServiceAccounts are taken to be in."""

    def default(self, obj: Object) -> None:
        """Fill in the groups of the role, of users and of groups."""
        _fill(obj["roleRef"])
        for subject in obj.get("subjects") or ():
            if subject.get("kind") in (USER, GROUP):
                _fill(subject)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check role and subjects."""
        return self._problems(obj) + _missing(obj)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole; the role stands still."""
        del subresource
        out = self._problems(obj)
        role = obj["roleRef"]
        if role != old["roleRef"]:
            # As the reference's internal type is written.
            shown = {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind", ""), "Name": role.get("name", "")}
            out.append(invalid("roleRef", Written(go_json(shown, ordered=True)), IMMUTABLE))
        return out + _missing(obj)

    def _problems(self, obj: Object) -> list[FieldError]:
        role = obj["roleRef"]
        out = one_of(role.get("apiGroup", ""), [RBAC], "roleRef.apiGroup") + one_of(role.get("kind", ""), self.roles, "roleRef.kind")
        name = role.get("name", "")
        out += [invalid("roleRef.name", name, text) for text in path_segment(name)]
        for index, subject in enumerate(obj.get("subjects") or ()):
            out += self._subject(subject, f"subjects[{index}]")
        return out

    def _subject(self, subject: Object, path: str) -> list[FieldError]:
        name, kind, group = subject.get("name", ""), subject.get("kind", ""), subject.get("apiGroup", "")
        out: list[FieldError] = []
        if kind == SERVICE_ACCOUNT:
            out += subdomain(name, f"{path}.name") if name else []
            out += one_of(group, [""], f"{path}.apiGroup")
            if not self.namespaced and not subject.get("namespace"):
                out.append(required(f"{path}.namespace"))
        elif kind in (USER, GROUP):
            out += one_of(group, [RBAC], f"{path}.apiGroup")
        else:
            out.append(not_supported(f"{path}.kind", kind, [SERVICE_ACCOUNT, USER, GROUP]))
        return out


class ClusterRoleBindingStrategy(RoleBindingStrategy):
    """The rules of ClusterRoleBinding."""

    roles = ("ClusterRole",)
    namespaced = False


def _missing(obj: Object) -> list[FieldError]:
    """Return which names are missing, which the reference tells last."""
    out = [
        required(f"subjects[{index}].name") for index, subject in enumerate(obj.get("subjects") or ()) if not subject.get("name")
    ]
    return out if obj["roleRef"].get("name") else [*out, required("roleRef.name")]


def _fill(reference: Object) -> None:
    if not reference.get("apiGroup"):
        reference["apiGroup"] = RBAC


STRATEGY = {"rolebindings": RoleBindingStrategy(), "clusterrolebindings": ClusterRoleBindingStrategy()}


def _named(kind: str) -> Callable[[Object, int], str]:
    """Return a cell with the subjects of a kind."""

    def cell(obj: Object, _: int) -> str:
        return ", ".join(_text(subject) for subject in obj.get("subjects") or () if subject.get("kind") == kind)

    return cell


def _text(subject: Object) -> str:
    name: str = subject.get("name", "")
    return f"{subject.get('namespace', '')}/{name}" if subject.get("kind") == SERVICE_ACCOUNT else name


def _role(obj: Object, _: int) -> str:
    role = obj.get("roleRef", {})
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _columns(word: str, role: str) -> tuple[Column, ...]:
    return (
        NAME,
        Column(
            "Role",
            _role,
            description=f"roleRef can {role}. If the RoleRef cannot be resolved, the Authorizer must return an error.",
        ),
        AGE,
        Column("Users", _named(USER), priority=1, description=f"Users in the {word}"),
        Column("Groups", _named(GROUP), priority=1, description=f"Groups in the {word}"),
        Column("ServiceAccounts", _named(SERVICE_ACCOUNT), priority=1, description=f"ServiceAccounts in the {word}"),
    )


COLUMNS = {
    "rolebindings": _columns("roleBinding", "reference a Role in the current namespace or a ClusterRole in the global namespace"),
    "clusterrolebindings": _columns("clusterRoleBinding", "only reference a ClusterRole in the global namespace"),
}
