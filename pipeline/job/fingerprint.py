"""A fingerprint of any part of a job: the same in every process for the same meaning."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any

import numpy as np
from pydantic import BaseModel


def fingerprint_of(value: object) -> str:
    """Return 32 hex digits of blake2."""
    text = json.dumps(_plain(value), sort_keys=True, ensure_ascii=True)
    return blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - anything to JSON, a table
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {item.name: getattr(value, item.name) for item in fields(value)}
        return {"type": type(value).__name__, **_plain(parts)}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=json.dumps)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [
            str(value.dtype),
            list(value.shape),
            blake2b(np.ascontiguousarray(value).tobytes()).hexdigest(),
        ]
    if callable(value):
        return _function(value)
    return f"<{type(value).__name__}>"


def _function(function: Any) -> list[str]:  # noqa: ANN401 - any callable
    name = (
        f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"
    )
    try:
        return [name, inspect.getsource(function)]
    except (OSError, TypeError):
        # Typed at a prompt, or not written in Python.
        return [name]
