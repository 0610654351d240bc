"""Label selectors that stand in objects (metav1.LabelSelector): their rules, and what they match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchd.names import label_value, qualified_name
from watchd.registry.builtin.common.fields import forbidden, invalid, required
from watchd.status import FieldError

Selector = Mapping[str, Any]

_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")


def label_problems(labels: Mapping[str, str], path: str) -> list[FieldError]:
    """Return what is wrong with labels; keys and values are told by the path of the whole."""
    out: list[FieldError] = []
    for key, value in labels.items():
        out += [invalid(path, key, text) for text in qualified_name(key)]
        out += [invalid(path, value, text) for text in label_value(value)]
    return out


def selector_problems(selector: Selector | None, path: str) -> list[FieldError]:
    """Return what is wrong with a selector; one that is absent is fine."""
    if selector is None:
        return []
    out = label_problems(selector.get("matchLabels", {}), f"{path}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions", ())):
        out += _requirement(requirement, f"{path}.matchExpressions[{index}]")
    return out


def _requirement(requirement: Selector, path: str) -> list[FieldError]:
    operator, key, values = requirement.get("operator", ""), requirement.get("key", ""), requirement.get("values", ())
    out: list[FieldError] = []
    if operator in _WITH_VALUES:
        if not values:
            out.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in _WITHOUT_VALUES:
        if values:
            out.append(forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    else:
        out.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    out += [invalid(f"{path}.key", key, text) for text in qualified_name(key)]
    for index, value in enumerate(values):
        out += [invalid(f"{path}.values[{index}]", value, text) for text in label_value(value)]
    return out


def empty(selector: Selector | None) -> bool:
    """Tell whether a selector asks for nothing; as an object's field it selects everything then."""
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def readable(selector: Selector | None) -> bool:
    """Tell whether a selector can be asked: its operators, keys and values make sense."""
    return not selector_problems(selector, "")


def matches(selector: Selector | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a selector that is `readable` selects something with these labels. None selects nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(requirement, labels) for requirement in selector.get("matchExpressions", ()))


def _holds(requirement: Selector, labels: Mapping[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values", ())
    match requirement["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def text(selector: Selector | None) -> str:
    """Write a selector as Tables show it (metav1.FormatLabelSelector): requirements in the order of their keys."""
    if selector is None:
        return "<none>"
    parts = [(key, f"{key}={value}") for key, value in selector.get("matchLabels", {}).items()]
    for requirement in selector.get("matchExpressions", ()):
        key, values = requirement.get("key", ""), ",".join(sorted(requirement.get("values", ())))
        match requirement.get("operator"):
            case "In":
                parts.append((key, f"{key} in ({values})"))
            case "NotIn":
                parts.append((key, f"{key} notin ({values})"))
            case "Exists":
                parts.append((key, key))
            case "DoesNotExist":
                parts.append((key, f"!{key}"))
            case _:
                return "<error>"
    return ",".join(part for _, part in sorted(parts, key=lambda part: part[0])) or "<none>"
