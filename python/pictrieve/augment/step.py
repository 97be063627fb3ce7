"""What a step of an augmentation is: parameters, checked for their kinds, and a probability."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

Span: TypeAlias = float | tuple[float, float]
Size: TypeAlias = int | tuple[int, int] | None
Fill: TypeAlias = int | tuple[int, int, int]

_STEPS: dict[Any, type[Step]] = {}


@dataclasses.dataclass(frozen=True)
class Step:
    """What every step has: a name for dictionaries, and the probability with which a picture goes through it."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        """Remember the step by its name."""
        if cls.name:
            _STEPS[cls.name] = cls

    def __post_init__(self) -> None:
        """Bring lists, as JSON has them, to tuples, and look at the kinds of the parameters."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
        self.core()

    def core(self) -> tuple[str, dict[str, Any], float]:
        """Give name, parameters and probability as the core takes them."""
        values = {field.name: _for_core(self, field) for field in dataclasses.fields(self)}
        return self.name, values, values.pop("probability")

    def to_dict(self) -> dict[str, Any]:
        """Give the name under "step", and every parameter, as JSON can store them."""
        return {"step": self.name} | {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @staticmethod
    def from_dict(settings: Mapping[str, Any]) -> Step:
        """Make a step again from what `to_dict` gave.

        Raises:
            ValueError: The step is unknown, or a parameter is not one of its own.
        """
        name = settings.get("step")
        if name not in _STEPS:
            raise ValueError(f"step: expected one of {', '.join(sorted(_STEPS))}, got {name!r}")
        kind = _STEPS[name]
        known = {field.name for field in dataclasses.fields(kind)}
        unknown = sorted(set(settings) - known - {"step"})
        if unknown:
            raise ValueError(f"{name}: expected parameters among {', '.join(sorted(known))}, got {', '.join(unknown)}")
        return kind(**{key: value for key, value in settings.items() if key != "step"})


def _for_core(step: Step, field: dataclasses.Field[Any]) -> Any:
    """Give a parameter as the core takes it; its annotation, which is a text, says which kind it must be."""
    value = getattr(step, field.name)
    if field.type == "Span":
        pair = value if isinstance(value, tuple) else (value, value)
        good, wanted = len(pair) == 2 and all(_is_number(part) for part in pair), "a number or a pair (low, high)"
        result: Any = pair
    elif field.type == "Size":
        pair = (0, 0) if value is None else value if isinstance(value, tuple) else (value, value)
        good, wanted = len(pair) == 2 and all(_is_whole(part) for part in pair), "a side, (height, width) or None"
        good = good and (value is None or min(pair) > 0)
        result = pair
    elif "Fill" in str(field.type) and not isinstance(value, str):
        colour = value if isinstance(value, tuple) else (value,) * 3
        good = len(colour) == 3 and all(_is_whole(part) and 0 <= part <= 255 for part in colour)
        result, wanted = colour, "a level or (red, green, blue), 0 to 255"
    else:
        good, wanted, result = field.type != "float" or _is_number(value), "a number", value
    if not good:
        raise ValueError(f"{step.name}: expected {field.name} as {wanted}, got {value!r}")
    return result


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
