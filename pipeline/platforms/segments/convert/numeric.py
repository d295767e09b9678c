"""Numbers of the wire: finite ones, and whole ones that come in other clothes."""

from math import isfinite
from typing import Any

import numpy as np

from pipeline.platforms.segments.wire import JsonValue


class GeometryError(ValueError):
    """Something that cannot be drawn; the message says which key, what was found and what was expected."""


def finite(value: JsonValue, what: str) -> float:
    """Return a number as it is; one of numpy as Python's. GeometryError for anything but a finite one."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise GeometryError(f"{what}: found {_shown(value)}, expected a finite number")
    return value


def whole(value: JsonValue) -> tuple[int, bool] | None:
    """Return a whole number, and whether it came as one: "7" and 7.0 are 7. None for anything else."""
    if type(value) is int:
        return value, True
    if isinstance(value, float) and value.is_integer():
        return int(value), False
    if isinstance(value, str) and value.strip().removeprefix("-").isdecimal():
        return int(value), False
    return None


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return repr(value)[:60]
