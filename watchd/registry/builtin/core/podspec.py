"""PodSpec, the part that pods and the templates of other kinds share: its defaults and its rules."""

from __future__ import annotations

from watchd.registry.builtin.core.poddefaults import default_pod_spec, default_pod_template
from watchd.registry.builtin.core.podvalidation import validate_pod_spec, validate_pod_template

__all__ = ["default_pod_spec", "default_pod_template", "validate_pod_spec", "validate_pod_template"]
