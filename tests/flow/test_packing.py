"""A row is arranged, its masks are encoded or drawn, and it is packed; what fails is its own rejection."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import anyio
import numpy as np
import pytest

from pipeline.core.codecs.instance_png import decode
from pipeline.core.instances import DrawnInstances, Instance
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.rows import Bundle, EditedRow, Layers, PackedRow, Place, Rejection, RowKey
from pipeline.errors import RowError
from pipeline.flow import Line, pack
from pipeline.io.workers import Workers

pytestmark = pytest.mark.anyio
EYE = np.eye(4, dtype=np.bool_)


class Pictures:
    """The part of a target that packs: each drawn picture of a row is a file."""

    def __init__(self, *, layered: bool) -> None:
        self.layered = layered

    def arrange(self, row: EditedRow) -> EditedRow:
        if row.key.key == "not arranged":
            raise RowError("no number is left")
        numbers = {item.id: at + 1 for at, item in enumerate(row.row.objects)}
        return replace(row, layers=Layers(numbers)) if self.layered else row

    def pack(self, row: EditedRow) -> PackedRow:
        if row.key.key == "not packed":
            raise RowError("it cannot be said")
        found = [item.occurrences[0].geometry for item in row.row.objects]
        drawn = {each.of for each in found if isinstance(each, Instance)}
        files = tuple(each.data for each in drawn if isinstance(each, DrawnInstances))
        return PackedRow(row.key, row.place, b"12345", len(found), row.key.key, assets=files)


class Kept:
    """The part of a record that the packing stage tells what became of its rows."""

    def __init__(self) -> None:
        self.rejected: list[Rejection] = []

    @contextmanager
    def timed(self, _stage: str) -> Iterator[None]:
        yield

    async def judged(self, rows: Sequence[PackedRow | Rejection]) -> list[PackedRow]:
        self.rejected += [row for row in rows if isinstance(row, Rejection)]
        return [row for row in rows if isinstance(row, PackedRow)]


def row_of(key: str, *masks: Mask | Raster) -> EditedRow:
    objects = tuple(ObjectInstance(str(at), "x", {0: Occurrence(each)}) for at, each in enumerate(masks))
    return EditedRow(RowKey(key, 0), Place(key), LabelRow(key, objects=objects))


async def packed(codec: str, rows: Sequence[EditedRow]) -> tuple[list[PackedRow], list[Rejection]]:
    record = Kept()
    target = Pictures(layered=codec == "instance_png")
    to_pack, packing = anyio.create_memory_object_stream[EditedRow](len(rows))
    to_bundle, bundling = anyio.create_memory_object_stream[PackedRow](len(rows))
    async with Workers(0, lambda _: None) as workers, to_pack, bundling:
        line = SimpleNamespace(target=target, codec=codec, encoder=workers, record=record, at_once=1)
        for row in rows:
            to_pack.send_nowait(row)
        to_pack.close()
        await pack(cast("Line", line), packing, to_bundle)
        return [row async for row in bundling], record.rejected


async def test_what_fails_on_the_way_is_a_rejection_of_that_row_as_it_was_edited() -> None:
    rows = [
        row_of("first", Raster(EYE)),
        row_of("not arranged", Raster(EYE)),
        row_of("two sizes", Raster(EYE), Raster(EYE[:2])),
        row_of("second", Raster(EYE), Raster(EYE)),
        row_of("not packed", Raster(EYE)),
        row_of("third"),
    ]
    done, rejected = await packed("instance_png", rows)
    assert [row.key.key for row in done] == ["first", "second", "third"]
    assert [(each.key.key, each.stage, each.reason) for each in rejected] == [
        ("not arranged", "pack", "no number is left"),
        (
            "two sizes",
            "pack",
            "row 'two sizes': masks of one frame have different sizes: 4 x 4 and 2 x 4 (height x width)",
        ),
        ("not packed", "pack", "it cannot be said"),
    ]
    assert [each.row for each in rejected] == [rows[1].row, rows[2].row, rows[4].row]


async def test_a_row_with_pictures_is_kept_with_its_masks_since_those_below_are_not_in_them() -> None:
    rows = [row_of("a", Raster(EYE), Mask.from_array(EYE)), row_of("b", Raster(EYE))]
    done, _ = await packed("instance_png", rows)
    assert [row.row for row in done] == [row.row for row in rows]
    assert [decode(*row.assets).present for row in done] == [(2,), (1,)]


async def test_a_row_with_encoded_masks_is_kept_encoded_so_that_no_raster_stays_in_memory() -> None:
    done, rejected = await packed("coco_rle", [row_of("a", Raster(EYE))])
    assert rejected == []
    kept = done[0].row
    assert kept is not None
    assert isinstance(kept.objects[0].occurrences[0].geometry, EncodedMask)
    assert done[0].assets == ()


async def test_files_that_travel_with_a_row_count_for_the_size_of_its_bundle() -> None:
    done, _ = await packed("instance_png", [row_of("a", Raster(EYE)), row_of("b")])
    files = sum(map(len, done[0].assets))
    assert files > 60
    assert [row.size for row in done] == [5 + files, 5]
    assert Bundle.of(done).size == 10 + files
