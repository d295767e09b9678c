"""Sets of frame numbers as inclusive ranges: ascending, disjoint, and not adjacent."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from pipeline.core.labels import Frames

FrameChoice: TypeAlias = int | Sequence[int] | Sequence[Sequence[int]]
"""Frames as people write them: a number, a range [first, last], or a list of ranges."""

LAST = 2**53
"""Stands for the end of a row whose number of frames is not known."""


def chosen(choice: FrameChoice) -> Frames:
    """Return the frames of a number, a range or a list of ranges (each a number or a pair).

    Raises ValueError for a negative frame, a range that ends before it starts, and an empty choice.
    """
    if isinstance(choice, int):
        return merged([(choice, choice)])
    if len(choice) == 2 and all(isinstance(item, int) for item in choice):  # noqa: PLR2004 - first and last
        return merged([_pair(choice)])
    return merged([_pair(item) for item in choice])


def _pair(item: object) -> tuple[int, int]:
    if isinstance(item, int) and not isinstance(item, bool):
        return item, item
    if isinstance(item, Sequence) and len(item) == 2 and all(type(end) is int for end in item):  # noqa: PLR2004
        return item[0], item[1]
    raise ValueError(f"frames: {item!r} is no range; expected a number, [first, last], or a list of those")


def merged(ranges: Iterable[tuple[int, int]]) -> Frames:
    """Return the union of inclusive ranges given in any order. Raises ValueError as `chosen` does."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if first < 0 or last < first:
            raise ValueError(
                f"frames: the range [{first}, {last}] must start at 0 or later and not end before it"
            )
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    if not found:
        raise ValueError("frames: no frame is given; expected a number, [first, last], or a list of those")
    return tuple(found)


def of_frames(frames: Iterable[int]) -> Frames:
    """Return frame numbers, in any order, as ranges; none gives ()."""
    singles = [(frame, frame) for frame in frames]
    return merged(singles) if singles else ()


def holds(frames: Frames, frame: int) -> bool:
    """Say whether a frame is among them."""
    return any(first <= frame <= last for first, last in frames)


def shared(one: Frames, other: Frames) -> Frames:
    """Return the frames in both."""
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple(pair for pair in pairs if pair[0] <= pair[1])


def without(frames: Frames, gone: Frames) -> Frames:
    """Return the frames of the first that are not in the second."""
    return shared(frames, outside(gone))


def outside(frames: Frames) -> Frames:
    """Return every frame from 0 to `LAST` that is not among them."""
    found, start = [], 0
    for first, last in frames:
        if first > start:
            found.append((start, first - 1))
        start = last + 1
    if start <= LAST:
        found.append((start, LAST))
    return tuple(found)
