"""What runs inside a worker process. It imports the standard library and the pure core only."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.shared_memory import SharedMemory
from threading import Thread
from typing import TypeAlias, TypeVar, cast

from pipeline.core.codecs import decode, encode
from pipeline.core.encoding import drawn
from pipeline.core.instances import DrawnInstances, Instance, OnTop
from pipeline.core.labels import LabelRow
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.errors import RowError


@dataclass(frozen=True, slots=True)
class Bits:
    """A raster as packed bits (see `Raster.packed`)."""

    height: int
    width: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SharedBits:
    """A large raster as packed bits in a shared memory block of that name, `size` bytes of it."""

    height: int
    width: int
    name: str
    size: int


Parcel: TypeAlias = Mask | Raster | EncodedMask | Instance | Bits | SharedBits
Picture: TypeAlias = tuple[OnTop, Sequence[tuple[int, Parcel]]]
"""Who is on top, and the masks of one frame with their numbers."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def start() -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and the worker ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def encode_all(codec: str, rows: Sequence[Sequence[Parcel]]) -> list[list[str | bytes] | RowError]:
    """Encode the masks of each row; a mask that cannot be encoded fails its row only."""
    work = partial(_encode_row, codec)
    return [_guarded(work, row) for row in rows]


def draw_all(codec: str, rows: Sequence[Sequence[Picture]]) -> list[list[DrawnInstances] | RowError]:
    """Draw the pictures of each row; one that cannot be drawn fails its row only."""
    work = partial(_draw_row, codec)
    return [_guarded(work, row) for row in rows]


def apply_all(
    operation: Callable[[LabelRow], LabelRow], rows: Sequence[LabelRow]
) -> list[LabelRow | RowError]:
    """Apply a built-in operation to each row; one that fails fails its row only."""
    return [_guarded(operation, row) for row in rows]


def _encode_row(codec: str, row: Sequence[Parcel]) -> list[str | bytes]:
    return [encode(codec, _opened(parcel)) for parcel in row]


def _draw_row(codec: str, row: Sequence[Picture]) -> list[DrawnInstances]:
    return [
        drawn(codec, [(number, _opened(parcel)) for number, parcel in layers], on_top)
        for on_top, layers in row
    ]


def _guarded(work: Callable[[Item], Result], item: Item) -> Result | RowError:
    try:
        return work(item)
    except (RowError, ValueError, MemoryError) as error:
        return RowError(str(error) or type(error).__name__)


def _opened(parcel: Parcel) -> Mask | Raster | Instance:
    if isinstance(parcel, Mask | Raster | Instance):
        return parcel
    if isinstance(parcel, EncodedMask):
        return decode(parcel.codec, parcel.data, parcel.height, parcel.width)
    if isinstance(parcel, Bits):
        return Mask.from_packed(parcel.data, parcel.height, parcel.width)
    block = SharedMemory(parcel.name)
    try:
        bits = bytes(cast("memoryview", block.buf)[: parcel.size])
    finally:
        block.close()
    return Mask.from_packed(bits, parcel.height, parcel.width)
