"""PodSpec, the part that pods and the templates of other kinds share: its defaults, rules and warnings."""

from __future__ import annotations

from watchd.names import dns1123_label
from watchd.registry.builtin.core.poddefaults import default_pod_spec, default_pod_template
from watchd.registry.builtin.core.podgates import drop_of_template
from watchd.registry.builtin.core.podvalidation import validate_pod_spec, validate_pod_template
from watchd.registry.builtin.core.podwarnings import pod_warnings
from watchd.registry.strategy import Object, Warn

__all__ = [
    "default_pod_spec",
    "default_pod_template",
    "drop_of_template",
    "pod_warnings",
    "validate_pod_spec",
    "validate_pod_template",
    "warn_of_pod_names",
    "warn_of_template",
]


POD_NAMES = "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: "


def warn_of_pod_names(meta: Object, warn: Warn) -> None:
    """Warn of the name of an object whose pods cannot carry it as the name of a host."""
    if texts := dns1123_label(meta.get("name", "")):
        warn(f"{POD_NAMES}[{' '.join(texts)}]")


def warn_of_template(template: Object, path: str, warn: Warn) -> None:
    """Warn of what is let pass in a PodTemplateSpec; `path` is where it stands (`spec.template`)."""
    for text in pod_warnings(template.get("metadata") or {}, template.get("spec") or {}, path):
        warn(text)
