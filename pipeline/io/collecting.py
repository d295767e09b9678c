"""How often Python looks for reference cycles while rows are moved."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

NEW_OBJECTS = 500_000
"""Objects made and not freed before the next look: more than the rows in flight are. Python's own choice is
700."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles less often until the block ends.

    Thousands of rows are in flight, each a hundred objects without a cycle. Looking through them every 700
    new objects takes a tenth of the time of a run, every 100,000 a twentieth, and finds nothing.
    """
    before = gc.get_threshold()
    if 0 < before[0] < NEW_OBJECTS:  # 0: whoever runs us wants no collections at all
        gc.set_threshold(NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
