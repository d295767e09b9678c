"""Byte counts and durations as people write them: `8MiB`, `2s`."""

import math
import re

_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SECONDS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def byte_count(value: object) -> int:
    """Return bytes from a whole number or text such as 8MiB or 500kB. Raises ValueError, also for 0."""
    count = _parsed(value, _BYTES, "bytes, such as 8MiB, 500kB or 8388608")
    if count < 1 or count != int(count):
        raise ValueError(f"found {value!r}, expected at least one whole byte")
    return int(count)


def seconds(value: object) -> float:
    """Return seconds from a number or text such as 2s, 500ms or 1m. Raises ValueError."""
    return _parsed(value, _SECONDS, "seconds, such as 2s, 500ms or 0.5")


def _parsed(value: object, units: dict[str, float] | dict[str, int], expected: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return value
    found = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2].casefold() not in units:
        raise ValueError(f"found {value!r}, expected {expected}")
    return float(found[1]) * units[found[2].casefold()]
