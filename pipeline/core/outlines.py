"""The outlines of a mask along pixel edges, found from its toggles.

Corners are points of the pixel grid where an outline turns. Along a grid line they pair up into edges, both
across and down, so every corner has one partner on its row and one on its column; following them in turn
walks the outline.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.core import toggles as tg
from pipeline.core.masks import Mask

Whole: TypeAlias = NDArray[np.int64]


def outlines(mask: Mask) -> tuple[list[Whole], list[int]]:
    """The rings of a mask, each (n, 2) int64 of (x, y), and for every ring the number of its outer ring.

    Foreground is 4-connected: areas that touch at a corner only are apart, and so is the outline at that
    corner. An outer ring's number is its own. Outer rings run clockwise on the screen, holes
    counter-clockwise. Each starts at the left end of its topmost edge, or a hole at the right end; rings are
    sorted by that edge, top to bottom.
    """
    height, stride = mask.height, mask.width + 1
    keys = tg.row_keys(mask.toggles, height, mask.width).astype(np.int64)
    corners = _corners(keys, stride)
    y, x = np.divmod(corners >> 2, stride)
    below = 1 - (corners & 1)
    column_keys = (x * (height + 1) + y) * 2 + below
    order = np.argsort(column_keys)
    partner = np.empty_like(order)
    partner[order] = order.reshape(-1, 2)[:, ::-1].reshape(-1)
    # Corners 2k and 2k + 1 are the ends of edge k. Where the mask is above it, the walk goes from right to
    # left.
    left = corners[0::2]
    bottom = ((left ^ (left >> 1)) & 1) == 0
    tail = np.arange(0, corners.size, 2) + bottom
    edges, lengths = _cycles((partner[tail ^ 1] >> 1).tolist())
    tails = tail[edges]
    ends = np.column_stack((tails, tails ^ 1)).reshape(-1)
    points = np.column_stack((x[ends], y[ends]))
    starts = np.cumsum(lengths) - lengths
    ring_of_edge = np.empty_like(edges)
    ring_of_edge[edges] = np.repeat(np.arange(lengths.size), lengths)
    top = edges[starts]
    # The pixel above a hole's topmost edge is in the hole's area, and so is the start of that pixel's run.
    # The ring at that start reaches higher than the hole, so its own outer ring is known already.
    row = y[2 * top] - bottom[top]
    start = keys[np.searchsorted(keys, row * stride + x[2 * top], side="right") - 1] - row * stride
    edge = np.searchsorted(column_keys[order], (start * (height + 1) + row) * 2 + 1, side="right") - 1
    neighbour = ring_of_edge[order[edge] >> 1].tolist()
    outer: list[int] = []
    for ring, hole in enumerate(bottom[top].tolist()):
        outer.append(outer[neighbour[ring]] if hole else ring)
    return np.split(points, 2 * starts[1:]), outer


def _corners(keys: Whole, stride: int) -> Whole:
    """The corners, sorted by row and column, each as one number.

    It is 4 * (y * stride + x), plus 2 if a run starts at the vertical edge that ends in the corner, plus 1 if
    that edge lies above the corner. Where two areas touch at a corner only there are two corners: first the
    one whose horizontal edge goes left. That is the one where a run ends.
    """
    below = keys * 4
    below[0::2] += 2
    both = np.concatenate((below, below + (4 * stride + 1)))
    both.sort()
    # A start under a start, or an end under an end, is no corner: the outline goes straight on.
    straight = np.flatnonzero(both[1:] >> 1 == both[:-1] >> 1)
    turns = np.ones(both.size, np.bool_)
    turns[straight] = turns[straight + 1] = False
    return both[turns]


def _cycles(after: list[int]) -> tuple[Whole, Whole]:
    """The cycles of a permutation laid end to end, each from its smallest element, and their lengths."""
    seen = bytearray(len(after))
    elements: list[int] = []
    lengths: list[int] = []
    for first in range(len(after)):
        if seen[first]:
            continue
        size = len(elements)
        element = first
        while not seen[element]:
            seen[element] = 1
            elements.append(element)
            element = after[element]
        lengths.append(len(elements) - size)
    return np.array(elements, np.int64), np.array(lengths, np.int64)
