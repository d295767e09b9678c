"""Pictures of numbers as arrays, drawn by hypothesis."""

from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.core.instances import MOST_NUMBERS

Numbers: TypeAlias = NDArray[np.uint32]
Size: TypeAlias = tuple[int, int]
"""Height and width."""

EDGES = (0, 0, 1, 2, 255, 256, 65_535, 65_536, MOST_NUMBERS)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 40))


def pictures_of(size: Size) -> st.SearchStrategy[Numbers]:
    """Pictures of a few numbers."""
    some = st.lists(st.sampled_from(EDGES) | st.integers(0, MOST_NUMBERS), min_size=1, max_size=5)
    return some.flatmap(lambda palette: hnp.arrays(np.uint32, size, elements=st.sampled_from(palette)))


pictures = sizes.flatmap(pictures_of)


def _enlarged(array: Numbers, down: int, across: int) -> Numbers:
    return np.repeat(np.repeat(array, down, axis=0), across, axis=1)


broad = st.builds(_enlarged, st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(pictures_of),
                  st.integers(1, 5), st.integers(1, 300))  # fmt: skip
"""Pictures whose runs are long."""
