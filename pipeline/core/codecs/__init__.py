"""Masks in the notations of labelling platforms: one module per notation, found by its name.

A codec is a module here with `encode(mask) -> str | bytes` and `decode(data, height, width) -> Mask`, and
with `encode_array(array)` where a raster need not become toggles first; or one that puts all masks of a frame
into one picture, with `LAYERED = True`, `encode(InstanceMap) -> bytes` and `decode(data) -> InstanceMap`.
Adding one is adding its module; a name that starts with an underscore is not a codec.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol, TypeAlias, cast

from pipeline.core.instances import DrawnInstances, Instance, InstanceMap
from pipeline.core.masks import Mask, MaskError, Raster

MaskData: TypeAlias = str | bytes | Sequence[int]
"""A mask in some notation; a sequence of integers for COCO's uncompressed counts."""


class Codec(Protocol):
    """What a codec module offers."""

    def encode(self, mask: Mask) -> str | bytes:
        """The mask in this notation."""

    def decode(self, data: MaskData, height: int, width: int) -> Mask:
        """The mask that the data say; `MaskError` if they are not in this notation or do not fit the size."""


def encode(codec: str, mask: Mask | Raster | Instance) -> str | bytes:
    """The mask in the named notation. Raises `MaskError` for an unknown name."""
    if isinstance(mask, Raster) and (quick := getattr(_module(codec), "encode_array", None)):
        text: str | bytes = quick(mask.array)
        return text
    return _codec(codec).encode(as_mask(mask))


def as_mask(mask: Mask | Raster | Instance) -> Mask:
    """The same pixels as toggles; an instance of a drawn picture is read from its file."""
    if isinstance(mask, Instance) and isinstance(mask.of, DrawnInstances):
        whole: InstanceMap = _module(mask.of.codec).decode(mask.of.data)
        return whole.mask(mask.number)
    return mask if isinstance(mask, Mask) else mask.to_mask()


def decode(codec: str, data: MaskData, height: int, width: int) -> Mask:
    """The height x width mask that `data` say in the named notation.

    Raises `MaskError` for an unknown name, and for data that are not in that notation or do not fit the size.
    """
    return _codec(codec).decode(data, height, width)


def layered(codec: str) -> bool:
    """Say whether the notation puts all masks of a frame into one picture ("" is none)."""
    return bool(codec) and getattr(_module(codec), "LAYERED", False)


def encode_map(codec: str, whole: InstanceMap) -> bytes:
    """The picture in the named layered notation. Raises `MaskError` for an unknown name."""
    data: bytes = _module(codec).encode(whole)
    return data


def _codec(name: str) -> Codec:
    return cast("Codec", _module(name))


@cache
def _module(name: str) -> Any:  # noqa: ANN401 - a module, of one of two kinds
    known = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    if name not in known:
        raise MaskError(f"mask codec {name!r} is not known; expected one of {', '.join(known)}")
    return importlib.import_module(f"{__name__}.{name}")
