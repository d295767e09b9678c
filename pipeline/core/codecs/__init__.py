"""Masks in the notations of labelling platforms: one module per notation, found by its name.

A codec is a module here with `encode(mask) -> str | bytes` and `decode(data, height, width) -> Mask`. Adding
one is adding its module; a name that starts with an underscore is not a codec.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Protocol, TypeAlias, cast

from pipeline.core.masks import Mask, MaskError, Raster

MaskData: TypeAlias = str | bytes | Sequence[int]
"""A mask in some notation; a sequence of integers for COCO's uncompressed counts."""


class Codec(Protocol):
    """What a codec module offers."""

    def encode(self, mask: Mask) -> str | bytes:
        """The mask in this notation."""

    def decode(self, data: MaskData, height: int, width: int) -> Mask:
        """The mask that the data say; `MaskError` if they are not in this notation or do not fit the size."""


def encode(codec: str, mask: Mask | Raster) -> str | bytes:
    """The mask in the named notation. Raises `MaskError` for an unknown name."""
    return _codec(codec).encode(mask.to_mask() if isinstance(mask, Raster) else mask)


def decode(codec: str, data: MaskData, height: int, width: int) -> Mask:
    """The height x width mask that `data` say in the named notation.

    Raises `MaskError` for an unknown name, and for data that are not in that notation or do not fit the size.
    """
    return _codec(codec).decode(data, height, width)


@cache
def _codec(name: str) -> Codec:
    known = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    if name not in known:
        raise MaskError(f"mask codec {name!r} is not known; expected one of {', '.join(known)}")
    return cast("Codec", importlib.import_module(f"{__name__}.{name}"))
