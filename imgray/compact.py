"""Values that travel often, and change often: what Python does to frozen dataclasses, in a third of the time."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

_T = TypeVar("_T")


def compact(cls: type[_T]) -> type[_T]:
    """Have a dataclass pickled as itself and the values of its fields, in order."""

    def reduced(self: _T) -> tuple[type[_T], tuple[Any, ...]]:
        return cls, values_of(self)

    cls.__reduce__ = reduced  # type: ignore[method-assign,assignment]
    return cls


def values_of(value: Any) -> tuple[Any, ...]:  # noqa: ANN401  # a dataclass
    """Return the values of its fields, in order."""
    kind: Any = type(value)
    values: tuple[Any, ...] = _getter(kind)(value)
    return values


def fields_of(value: Any) -> dict[str, Any]:  # noqa: ANN401  # a dataclass
    """Return its fields by name: `dataclasses.asdict` for one that holds no other."""
    kind: Any = type(value)
    return dict(zip(_places(kind), _getter(kind)(value), strict=True))


def replaced(value: _T, changes: dict[str, Any]) -> _T:
    """Return a copy with other values in some fields: `dataclasses.replace`."""
    kind: Any = type(value)
    places = _places(kind)
    values = list(_getter(kind)(value))
    for name, changed in changes.items():
        values[places[name]] = changed
    copy: _T = kind(*values)
    return copy


@cache
def _places(kind: type) -> dict[str, int]:
    return {field.name: place for place, field in enumerate(fields(kind))}


@cache
def _getter(kind: type) -> Any:  # noqa: ANN401  # a function
    names = list(_places(kind))
    get: Any = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)
