"""All masks of a frame become one picture, in processes as well as in a thread."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core import codecs
from pipeline.core.codecs.instance_png import decode
from pipeline.core.geometry import Box, Geometry
from pipeline.core.instances import DrawnInstances, Instance, InstanceMap, OnTop, instances_of
from pipeline.core.labels import LabelRow, MediaKind, ObjectInstance, Occurrence
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.rows import EditedRow, Layers, Place, RowKey
from pipeline.errors import RowError
from pipeline.io.workers import Workers

pytestmark = pytest.mark.anyio
MUCH = 100.0
CODEC = "instance_png"


def square(at: int, size: int, side: int) -> Mask:
    array = np.zeros((size, size), np.bool_)
    array[at : at + side, at : at + side] = True
    return Mask.from_array(array)


def text_of(mask: Mask) -> EncodedMask:
    return EncodedMask(mask.height, mask.width, "coco_rle", codecs.encode("coco_rle", mask))


def row_of(key: str, masks: Sequence[Geometry], on_top: OnTop = OnTop.LAST, first: int = 1) -> EditedRow:
    """Return a row with one object per mask, numbered from `first`, and a box."""
    objects = [ObjectInstance(str(at), "thing", {0: Occurrence(each)}) for at, each in enumerate(masks)]
    objects.append(ObjectInstance("box", "thing", {0: Occurrence(Box(0, 0, 1, 1))}))
    layers = Layers({str(at): first + at for at in range(len(masks))}, on_top)
    return EditedRow(RowKey(key, 0), Place(key), LabelRow(key, objects=tuple(objects)), layers=layers)


def mixed(number: int, size: int = 48) -> EditedRow:
    """Return a row with masks of every form, whose numbers tell it from all other rows."""
    mask = square(number % 20, size, 9)
    shared = instances_of((square(25, size, 20).to_array() + square(30, size, 4).to_array()).astype(np.uint8))
    masks: list[Geometry] = [
        mask,
        Raster(square(3, size, 30).to_array()),
        text_of(square(20, size, 12)),
        *shared.values(),
    ]
    tops = list(OnTop)
    return row_of(f"row {number}", masks, tops[number % 3], 1 + 10 * number)


def picture_of(row: EditedRow | RowError, frame: int = 0) -> DrawnInstances:
    """Return the one picture that all masks of a frame are instances of."""
    assert isinstance(row, EditedRow)
    assert row.layers is not None
    numbers = row.layers.numbers
    found = {
        item.id: item.occurrences[frame].geometry for item in row.row.objects if frame in item.occurrences
    }
    instances = {name: each for name, each in found.items() if isinstance(each, Instance)}
    assert {name: each.number for name, each in instances.items()} == {
        name: numbers[name] for name in instances
    }
    [of] = {id(each.of): each.of for each in instances.values()}.values()
    assert isinstance(of, DrawnInstances)
    return of


def expected_of(row: EditedRow) -> tuple[NDArray[np.int64], dict[int, int]]:
    """Draw the masks of a row pixel by pixel, and count what is hidden."""
    assert row.layers is not None
    arrays = {}
    for item in row.row.objects[:-1]:
        geometry = item.occurrences[0].geometry
        assert isinstance(geometry, Mask | Raster | EncodedMask | Instance)
        whole = (
            codecs.decode(geometry.codec, geometry.data, geometry.height, geometry.width)
            if isinstance(geometry, EncodedMask)
            else codecs.as_mask(geometry)
        )
        arrays[row.layers.numbers[item.id]] = whole.to_array()
    order = list(arrays)
    if row.layers.on_top is OnTop.FIRST:
        order.reverse()
    elif row.layers.on_top is OnTop.SMALLEST:
        order.sort(key=lambda number: -arrays[number].sum())
    picture = np.zeros(arrays[order[0]].shape, np.int64)
    for number in order:
        picture[arrays[number]] = number
    hidden = {number: int((array & (picture != number)).sum()) for number, array in arrays.items()}
    return picture, {number: pixels for number, pixels in hidden.items() if pixels}


@pytest.mark.parametrize("count", [0, 2])
async def test_masks_of_every_form_become_one_picture_each_row_its_own(count: int) -> None:
    rows = [mixed(number) for number in range(60)]
    async with Workers(count, lambda _: None) as workers:
        await workers.warm(MUCH)
        done = await workers.encode(rows, CODEC)
    for row, found in zip(rows, done, strict=True):
        assert isinstance(found, EditedRow)
        picture, hidden = expected_of(row)
        drawn = picture_of(found)
        assert np.array_equal(decode(drawn.data).to_array(), picture)
        assert drawn.hidden == hidden
        assert drawn.hidden
        assert drawn.present == set(np.unique(picture).tolist()) - {0}
        assert drawn.digest == InstanceMap.from_array(picture).digest
        assert replace(found, row=row.row) == row
        assert found.row.objects[-1] == row.row.objects[-1]


async def test_processes_and_the_thread_draw_the_same_bytes() -> None:
    rows = [mixed(number, 1000) for number in range(12)]
    # So large that its raster crosses in shared memory.
    rows.append(row_of("large", [Raster(square(7, 3100, 900).to_array()), square(500, 3100, 2000)]))
    drawn = []
    for count in (0, 1):
        async with Workers(count, lambda _: None) as workers:
            await workers.warm(MUCH)
            drawn.append([picture_of(row) for row in await workers.encode(rows, CODEC)])
    assert drawn[0] == drawn[1]
    assert [one.data for one in drawn[0]] == [other.data for other in drawn[1]]
    assert [one.present for one in drawn[0]] == [other.present for other in drawn[1]]


@pytest.mark.parametrize("count", [0, 1])
async def test_a_row_whose_masks_differ_in_size_fails_alone_and_is_named(count: int) -> None:
    wrong = row_of("bad", [square(1, 40, 5), Raster(square(1, 41, 5).to_array())])
    titled = replace(wrong, row=replace(wrong.row, title="cat.png"))
    broken = row_of("worse", [EncodedMask(3, 4, "coco_rle", "o")])
    async with Workers(count, lambda _: None) as workers:
        await workers.warm(MUCH)
        found = await workers.encode([mixed(0), wrong, mixed(1), titled, broken, mixed(2)], CODEC)
    first, failed, second, other, last, third = found
    for number, row in enumerate((first, second, third)):
        picture, _ = expected_of(mixed(number))
        assert np.array_equal(decode(picture_of(row).data).to_array(), picture)
    sizes = "masks of one frame have different sizes: 40 x 40 and 41 x 41 (height x width)"
    assert isinstance(failed, RowError)
    assert str(failed) == f"row 'bad': {sizes}"
    assert str(other) == f"row 'cat.png': {sizes}"
    assert str(last).startswith("row 'worse': ")


@pytest.mark.parametrize("count", [0, 1])
async def test_each_frame_is_a_picture_of_its_own_in_its_own_size(count: int) -> None:
    a, b, c = square(0, 10, 4), square(2, 10, 4), square(5, 20, 3)
    objects = (
        ObjectInstance("a", "thing", {0: Occurrence(a), 7: Occurrence(c)}),
        ObjectInstance("b", "thing", {0: Occurrence(b), 3: Occurrence(b)}),
    )
    row = LabelRow("k", media_kind=MediaKind.VIDEO, frame_count=9, objects=objects)
    edited = EditedRow(RowKey("k", 0), Place("k"), row, layers=Layers({"a": 5, "b": 6}))
    async with Workers(count, lambda _: None) as workers:
        await workers.warm(MUCH)
        [done] = await workers.encode([edited], CODEC)
    assert {frame: picture_of(done, frame).hidden for frame in (0, 3, 7)} == {0: {5: 4}, 3: {}, 7: {}}
    assert decode(picture_of(done, 3).data).masks() == {6: b}
    assert decode(picture_of(done, 7).data).masks() == {5: c}


async def test_rows_without_layers_or_masks_are_left_as_they_are() -> None:
    plain = replace(mixed(1), layers=None)
    empty = row_of("empty", [])
    async with Workers(0, lambda _: None) as workers:
        assert await workers.encode([plain, empty], CODEC) == [plain, empty]
        assert await workers.encode([], CODEC) == []


async def test_an_instance_is_encoded_mask_by_mask_as_well() -> None:
    shared = instances_of(np.array([[0, 1, 2, 2]]))
    row = replace(row_of("k", list(shared.values())), layers=None)
    async with Workers(1, lambda _: None) as workers:
        await workers.warm(MUCH)
        [done] = await workers.encode([row], "coco_rle")
    assert isinstance(done, EditedRow)
    texts = [item.occurrences[0].geometry for item in done.row.objects[:-1]]
    assert texts == [text_of(each.to_mask()) for each in shared.values()]
