"""A curve with fewer points, which still shows its extremes."""

from collections.abc import Sequence

Point = tuple[float, float]


def downsample(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many of the points, in their order: the first, the last, and of each stretch between them
    its lowest and its highest. most: at least 4. The values must be finite."""
    if len(points) <= most:
        return list(points)
    inner = points[1:-1]
    stretches = (most - 2) // 2
    kept = [points[0]]
    for number in range(stretches):
        part = inner[number * len(inner) // stretches : (number + 1) * len(inner) // stretches]
        heights = [y for _, y in part]
        places = {heights.index(min(heights)), heights.index(max(heights))}
        kept += [part[place] for place in sorted(places)]
    return [*kept, points[-1]]
