"""DeviceClass: devices that claims ask for by one name."""

from __future__ import annotations

from watchd.registry.builtin.common.fields import invalid
from watchd.registry.builtin.core.resources import is_extended
from watchd.registry.builtin.resource.claims import LIST_MAX, config_problems, selectors_problems, too_many
from watchd.registry.columns import AGE, NAME
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError


class DeviceClassStrategy(Strategy):
    """The rules of DeviceClass."""

    generation = True

    def validate(self, obj: Object) -> list[FieldError]:
        """Check selectors and configuration."""
        spec = obj["spec"]
        last: list[FieldError] = []
        out = selectors_problems(spec.get("selectors") or [], "spec.selectors", last)
        configs = spec.get("config") or []
        if len(configs) > LIST_MAX:
            last.append(too_many("spec.config", len(configs), LIST_MAX))
        else:
            for index, config in enumerate(configs):
                out += config_problems(config, f"spec.config[{index}]", last)
        name = spec.get("extendedResourceName")
        if name is not None and not is_extended(name):
            last.append(invalid("spec.extendedResourceName", name, "a name must be a domain-prefixed path, such as 'example.com/my-prop'"))
        return out + last


STRATEGY = DeviceClassStrategy()

COLUMNS = (NAME, AGE)
