"""The masks of a row become one picture per frame, and the row's objects instances of it."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import codecs
from pipeline.core.codecs.instance_png import decode
from pipeline.core.encoding import (
    Layer,
    drawn,
    layers_of,
    masks_of,
    seconds_of_layers,
    with_masks,
    with_pictures,
)
from pipeline.core.geometry import AnyMask, Box, Geometry
from pipeline.core.instances import MOST_NUMBERS, Instance, InstanceMap, OnTop, instances_of, painted
from pipeline.core.labels import LabelRow, Media, MediaKind, ObjectInstance, Occurrence, Sensor
from pipeline.core.masks import EncodedMask, Mask, MaskError, Raster
from pipeline.core.measure import mask_of
from pipeline.core.rows import EditedRow, Layers, Place, RowKey
from tests.numbered import Numbers, pictures
from tests.small_rows import COLOUR, RAW

CODEC = "instance_png"
KEY, PLACE = RowKey("k", 0), Place("p")


def mask(text: str) -> Mask:
    """The mask of one row of pixels."""
    return Mask.from_array(np.array([[pixel == "#" for pixel in text]]))


def thing(name: str, frames: Mapping[int, Geometry], sensor: str | None = None) -> ObjectInstance:
    occurrences = {frame: Occurrence(found, frame == 0, 0.5) for frame, found in frames.items()}
    return ObjectInstance(name, "car", occurrences, (COLOUR,), f"track-{name}", RAW, sensor)


def row_of(*objects: ObjectInstance, numbers: Mapping[str, int], on_top: OnTop = OnTop.LAST) -> EditedRow:
    row = LabelRow("k", "k.png", MediaKind.VIDEO, (Media(),), 9, objects=objects)
    return EditedRow(KEY, PLACE, row, layers=Layers(numbers, on_top))


def in_every_form(array: Numbers) -> list[list[Layer]]:
    """The masks of a picture, numbered as in it, in each form that a mask can have."""
    whole = InstanceMap.from_array(array)
    masks = whole.masks()
    png = drawn(CODEC, list(masks.items()), OnTop.LAST) if masks else None
    return [
        list(instances_of(array).items()),
        [(number, Instance(InstanceMap.from_array(array), number)) for number in masks],
        [(number, Instance(png, number)) for number in masks if png],
        list(masks.items()),
        [(number, Raster(each.to_array())) for number, each in masks.items()],
        [(number, text_of(each)) for number, each in masks.items()],
    ]


def text_of(found: Mask, codec: str = "coco_rle") -> EncodedMask:
    return EncodedMask(found.height, found.width, codec, codecs.encode(codec, found))


# ---- which masks ---------------------------------------------------------------------------------------


def test_a_row_without_layers_has_no_pictures() -> None:
    row = EditedRow(KEY, PLACE, LabelRow("k", objects=(thing("a", {0: mask("#.")}),)))
    assert layers_of(row) == {}
    assert with_pictures(row, {}) == row


def test_masks_are_found_by_frame_in_the_order_of_drawing() -> None:
    a, b, c = mask("#..."), mask(".#.."), Raster(mask("..#.").to_array())
    row = row_of(
        thing("one", {0: a, 2: b}),
        thing("two", {2: c, 1: Box(0, 0, 1, 1)}),
        thing("box", {0: Box(0, 0, 1, 1)}),
        thing("other", {0: a}),
        numbers={"two": 9, "box": 8, "one": 7},
    )
    found = layers_of(row)
    assert found == {(None, 0): [(7, a)], (None, 2): [(9, c), (7, b)]}


def test_frames_of_sensors_are_pictures_of_their_own() -> None:
    sensors = tuple(Sensor(name, MediaKind.IMAGE) for name in ("left", "right"))
    a, b, c = mask("#.."), mask("##."), mask("..#.")
    objects = thing("a", {0: a}, "left"), thing("b", {0: b}, "left"), thing("c", {0: c}, "right")
    row = LabelRow("k", media_kind=MediaKind.MULTI_SENSOR, sensors=sensors, objects=objects)
    edited = EditedRow(KEY, PLACE, row, layers=Layers({"a": 1, "b": 2, "c": 1}))
    found = layers_of(edited)
    assert found == {("left", 0): [(1, a), (2, b)], ("right", 0): [(1, c)]}
    pictures_ = {key: drawn(CODEC, layers, OnTop.LAST) for key, layers in found.items()}
    done = with_pictures(edited, pictures_)
    assert [item.occurrences[0].geometry for item in done.row.objects] == [
        Instance(pictures_["left", 0], 1),
        Instance(pictures_["left", 0], 2),
        Instance(pictures_["right", 0], 1),
    ]
    assert pictures_["left", 0].hidden == {1: 1}


def test_objects_become_instances_of_their_frames_picture_and_stay_what_they_are_else() -> None:
    box = Box(0, 0, 1, 1)
    row = row_of(
        thing("one", {0: mask("##.."), 1: mask("#..."), 2: box}),
        thing("two", {0: mask(".##.")}),
        thing("not numbered", {0: mask("####")}),
        numbers={"one": 7, "two": MOST_NUMBERS},
        on_top=OnTop.FIRST,
    )
    found = layers_of(row)
    pictures_ = {key: drawn(CODEC, layers, OnTop.FIRST) for key, layers in found.items()}
    done = with_pictures(row, pictures_)
    assert (done.key, done.place, done.layers) == (row.key, row.place, row.layers)
    one, two, other = done.row.objects
    assert other is row.row.objects[2]
    assert [found.geometry for found in one.occurrences.values()] == [
        Instance(pictures_[None, 0], 7),
        Instance(pictures_[None, 1], 7),
        box,
    ]
    assert decode(pictures_[None, 0].data).to_array().tolist() == [[7, 7, MOST_NUMBERS, 0]]
    assert pictures_[None, 0].hidden == {MOST_NUMBERS: 1}
    for before, after in zip(row.row.objects, (one, two), strict=False):
        assert after == ObjectInstance(
            before.id,
            before.class_name,
            {
                frame: Occurrence(after.occurrences[frame].geometry, frame == 0, 0.5)
                for frame in before.occurrences
            },
            (COLOUR,),
            before.track,
            RAW,
        )


def test_encoding_mask_by_mask_takes_instances_too() -> None:
    array = np.array([[0, 1, 2, 2]])
    instances = instances_of(array)
    row = LabelRow("k", objects=tuple(thing(str(n), {0: found}) for n, found in instances.items()))
    assert masks_of(row, "coco_rle") == list(instances.values())
    texts = [text_of(found.to_mask()) for found in instances.values()]
    assert [item.occurrences[0].geometry for item in with_masks(row, "coco_rle", texts).objects] == texts


# ---- drawing -------------------------------------------------------------------------------------------


@given(pictures)
def test_masks_of_every_form_draw_the_same_picture(array: Numbers) -> None:
    whole = InstanceMap.from_array(array)
    if not whole.present:
        return
    first = drawn(CODEC, list(whole.masks().items()), OnTop.LAST)
    assert decode(first.data) == whole
    assert first.digest == whole.digest
    assert first.present == set(whole.present)
    assert first.hidden == {}
    assert (first.height, first.width, first.codec) == (*array.shape, CODEC)
    for layers in in_every_form(array):
        found = drawn(CODEC, layers, OnTop.LAST)
        assert found == first
        assert found.data == first.data


@given(pictures, st.data())
def test_masks_of_mixed_forms_and_new_numbers_are_drawn_as_their_pixels(
    array: Numbers, data: st.DataObject
) -> None:
    forms = in_every_form(array)
    if not forms[0]:
        return
    new = data.draw(
        st.lists(st.integers(1, MOST_NUMBERS), min_size=len(forms[0]), max_size=len(forms[0]), unique=True)
    )
    picked = [data.draw(st.sampled_from(each)) for each in zip(*forms, strict=True)]
    layers: list[Layer] = [(number, found) for number, (_, found) in zip(new, picked, strict=True)]
    layers = data.draw(st.permutations(layers))
    on_top = data.draw(st.sampled_from(OnTop))
    whole, hidden = painted([(number, mask_of(found)) for number, found in layers], on_top)
    assert hidden == {}
    assert decode(drawn(CODEC, layers, on_top).data) == whole


def test_instances_of_one_map_and_of_a_drawn_one_are_not_mixed_up() -> None:
    one = instances_of(np.array([[5, 5, 0, 0]]))[5]
    png = drawn(CODEC, [(7, mask("..##"))], OnTop.LAST)
    found = drawn(CODEC, [(1, one), (2, Instance(png, 7))], OnTop.LAST)
    assert decode(found.data).to_array().tolist() == [[1, 1, 2, 2]]


def test_some_instances_of_a_map_can_be_left_out_and_one_taken_twice() -> None:
    of = instances_of(np.array([[5, 6, 7, 7]]))
    assert decode(drawn(CODEC, [(1, of[7]), (2, of[5])], OnTop.LAST).data).to_array().tolist() == [
        [2, 0, 1, 1]
    ]
    twice = drawn(CODEC, [(1, of[7]), (2, of[7])], OnTop.LAST)
    assert decode(twice.data).to_array().tolist() == [[0, 0, 2, 2]]
    assert twice.hidden == {1: 2}


def test_an_instance_without_a_pixel_has_none_in_the_picture() -> None:
    whole = InstanceMap.from_array(np.array([[5, 0]]))
    found = drawn(CODEC, [(1, Instance(whole, 5)), (2, Instance(whole, 6))], OnTop.LAST)
    assert found.present == {1}
    assert found.hidden == {}


SHARED = InstanceMap.from_array(np.array([[5, 6]]))


@pytest.mark.parametrize("masks", [(mask("#."), mask(".#")), (Instance(SHARED, 5), Instance(SHARED, 6))])
@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((3, 3), "the same instance number"),
        ((3, 0), "instance number 0 is not 1 to 16777215"),
        ((3, -1), "instance number -1 is not"),
        ((MOST_NUMBERS + 1, 3), "instance number 16777216 is not"),
        ((1 << 32, 3), "instance number 4294967296 is not"),
    ],
)
def test_numbers_that_cannot_be_drawn_are_refused(
    masks: tuple[AnyMask, AnyMask], numbers: tuple[int, int], message: str
) -> None:
    with pytest.raises(MaskError, match=message):
        drawn(CODEC, list(zip(numbers, masks, strict=True)), OnTop.LAST)


def test_masks_that_differ_in_size_and_broken_ones_are_refused() -> None:
    with pytest.raises(MaskError, match="different sizes: 1 x 2 and 1 x 3"):
        drawn(CODEC, [(1, Instance(SHARED, 5)), (2, mask("#.."))], OnTop.LAST)
    with pytest.raises(MaskError, match="cut off"):
        drawn(CODEC, [(1, EncodedMask(1, 2, "coco_rle", "o"))], OnTop.LAST)
    with pytest.raises(MaskError, match="mask codec 'webp' is not known"):
        drawn("webp", [(1, mask("#."))], OnTop.LAST)


# ---- predicting ----------------------------------------------------------------------------------------


def test_the_predicted_work_grows_with_masks_runs_and_pixels() -> None:
    def stripes(count: int) -> Mask:
        return Mask(100, 100, np.arange(2 * count, dtype=np.uint32))

    def grows(*layers: list[Layer]) -> bool:
        return all(0 < one < other for one, other in pairwise(map(seconds_of_layers, layers)))

    assert seconds_of_layers([(1, Mask.empty(1, 1))]) > 0
    assert grows([], [(1, stripes(1))], [(1, stripes(9)), (2, stripes(9))], [(1, stripes(999))])
    assert grows([(1, Raster(np.zeros((9, 9), np.bool_)))], [(1, Raster(np.zeros((999, 999), np.bool_)))])
    assert grows([(1, text_of(stripes(1)))], [(1, text_of(stripes(1000)))])
    few, many = (InstanceMap.from_array(np.arange(count)[None] % 3) for count in (9, 9999))
    assert grows([(1, Instance(few, 1))], [(1, Instance(few, 1)), (2, Instance(few, 2))])
    assert grows([(1, Instance(few, 1))], [(1, Instance(many, 1))])
    png = drawn(CODEC, [(1, Instance(many, 1))], OnTop.LAST)
    assert grows([], [(1, Instance(png, 1))])
