"""Points of a search space: which keys have a value, given the others, and points that cover the space."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from preimage.specs.search import Space

Spaces = Mapping[str, Space]
Point = dict[str, Any]
"""Values by dotted key, in the order of the space; a key whose condition fails has none."""


def allowed(condition: Any) -> list[Any]:
    """The values of another key that satisfy a condition: a single value, or those of a list."""
    return list(condition) if isinstance(condition, list | tuple) else [condition]


def ordered(space: Spaces) -> list[str]:
    """The keys, each after those that its condition names; otherwise in the order of the space.

    Raises ValueError if conditions form a cycle.
    """
    done: list[str] = []
    waiting = list(space)
    while waiting:
        key = next((each for each in waiting if all(other in done for other in space[each].when)), None)
        if key is None:
            raise ValueError(f"the conditions of {', '.join(waiting)} depend on each other")
        done.append(key)
        waiting.remove(key)
    return done


def active(space: Spaces, key: str, point: Mapping[str, Any]) -> bool:
    """Whether a key has a value at a point that already holds every key it depends on."""
    return all(
        other in point and point[other] in allowed(values) for other, values in space[key].when.items()
    )


def in_order(space: Spaces, point: Mapping[str, Any]) -> Point:
    """The point with its keys in the order of the space."""
    return {key: point[key] for key in space if key in point}


def complete(space: Spaces, fixed: Mapping[str, Any]) -> Point:
    """The point with these values, and the first value of every other key whose condition holds."""
    point: Point = {}
    for key in ordered(space):
        if active(space, key, point):
            point[key] = fixed.get(key, space[key].first)
    return in_order(space, point)


def required(space: Spaces, key: str) -> Point:
    """Values of other keys for which this key has a value.

    Raises ValueError if its conditions contradict each other.
    """
    needed: dict[str, list[Any]] = {}
    waiting = [key]
    while waiting:
        for other, values in space[waiting.pop()].when.items():
            before = needed.get(other)
            possible = [
                each
                for each in _values(space[other], allowed(values))
                if before in (None, []) or each in before
            ]
            if not possible:
                raise ValueError(f"no value of {other} satisfies it")
            needed[other] = possible
            waiting.append(other)
    return {other: values[0] for other, values in needed.items()}


def variants(space: Spaces) -> Iterator[tuple[str, Point]]:
    """Every choice, or both bounds and a value between them, of each key alone: (key, point).

    All other keys have their first value.
    """
    for key, each in space.items():
        for value in each.choice or (*(each.bounds or ()), *_between(each)):
            yield key, complete(space, required(space, key) | {key: value})


def grid_size(space: Spaces) -> int:
    """How many points a grid has if conditions are ignored.

    Raises ValueError for a continuous key.
    """
    size = 1
    for key, each in space.items():
        size *= len(grid_values(key, each))
    return size


def grid_values(key: str, space: Space) -> list[Any] | range:
    """A grid's values of one key. Raises ValueError for a continuous key."""
    if space.choice:
        return list(space.choice)
    if space.integer:
        return range(space.integer[0], space.integer[1] + 1)
    raise ValueError(f"{key} is continuous")


def grid_points(space: Spaces) -> list[Point]:
    """Every distinct point of a grid: values of keys whose condition fails add no points."""
    keys = ordered(space)
    values = [grid_values(key, space[key]) for key in keys]
    points: list[Point] = []
    known: set[str] = set()
    for chosen in product(*values):
        point = in_order(space, settle(space, dict(zip(keys, chosen, strict=True))))
        if (name := repr(point)) not in known:
            known.add(name)
            points.append(point)
    return points


def settle(space: Spaces, chosen: Mapping[str, Any]) -> Point:
    """The point of a value for every key: without the keys whose condition fails."""
    point: Point = {}
    for key in ordered(space):
        if active(space, key, point):
            point[key] = chosen[key]
    return in_order(space, point)


def _between(space: Space) -> list[float]:
    """A fractional number within a continuous space, whose bounds may both be whole."""
    if space.bounds is None or space.integer:
        return []
    low, high = space.bounds
    return [low + (high - low) * 0.381966]


def _values(space: Space, wanted: list[Any]) -> list[Any]:
    """Those of the wanted values that are in the space."""
    if space.choice is not None:
        return [each for each in wanted if each in space.choice]
    low, high = space.bounds or (0, 0)
    return [each for each in wanted if isinstance(each, int | float) and low <= each <= high]
