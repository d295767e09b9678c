"""Pictures of numbered instances against the same work done on rasters."""

import pickle
import struct
from collections.abc import Sequence
from hashlib import blake2b
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.core.codecs import as_mask, encode_map, layered
from pipeline.core.geometry import Shape, shape_of
from pipeline.core.instances import (
    MOST_NUMBERS,
    DrawnInstances,
    Instance,
    InstanceMap,
    OnTop,
    instances_of,
    painted,
)
from pipeline.core.masks import Mask, MaskError
from tests.numbered import Numbers, Size, pictures, pictures_of, sizes

Raster = NDArray[np.bool_]


def layers_of(size: Size) -> st.SearchStrategy[list[tuple[int, Raster]]]:
    """Numbered masks of one size that share pixels."""
    layer = st.tuples(st.integers(1, MOST_NUMBERS), hnp.arrays(np.bool_, size))
    return st.lists(layer, min_size=1, max_size=5, unique_by=lambda pair: pair[0])


pairs = sizes.flatmap(lambda size: st.tuples(pictures_of(size), pictures_of(size)))


def check(whole: InstanceMap) -> None:
    """Check what holds of every map."""
    assert whole.starts.dtype == whole.numbers.dtype == np.uint32
    assert whole.starts.shape == whole.numbers.shape
    assert whole.starts[0] == 0
    assert whole.starts[-1] < whole.height * whole.width
    assert (whole.starts[1:] > whole.starts[:-1]).all()
    assert (whole.numbers[1:] != whole.numbers[:-1]).all()


# ---- one picture ---------------------------------------------------------------------------------------


@given(pictures)
def test_a_picture_survives_as_runs(array: Numbers) -> None:
    whole = InstanceMap.from_array(array)
    check(whole)
    back = whole.to_array()
    assert back.dtype == np.uint32
    assert back.flags.c_contiguous
    assert np.array_equal(back, array)
    assert whole.present == tuple(sorted(set(array.ravel().tolist()) - {0}))
    assert pickle.loads(pickle.dumps(whole)) == whole  # noqa: S301 - made here


@given(pictures)
def test_every_memory_order_and_kind_of_integer_gives_the_same_picture(array: Numbers) -> None:
    whole = InstanceMap.from_array(array)
    spaced = np.repeat(np.repeat(array, 2, axis=1), 3, axis=0)[::3, ::2]
    backwards = np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    wide = [array.astype(kind) for kind in (np.int32, np.int64, np.uint64, np.dtype(">u4"))]
    for same in (np.asfortranarray(array), spaced, backwards, *wide):
        assert InstanceMap.from_array(same) == whole


@pytest.mark.parametrize("kind", [np.bool_, np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_small_kinds_of_integer_are_taken(kind: type[np.generic], order: str) -> None:
    array = np.random.default_rng(0).integers(0, 2 if kind is np.bool_ else 100, (9, 40))
    whole = InstanceMap.from_array(np.asarray(array, dtype=kind, order="F" if order == "F" else "C"))
    check(whole)
    assert np.array_equal(whole.to_array(), array)


def test_a_picture_does_not_change_with_the_array_it_came_from() -> None:
    array = np.arange(12, dtype=np.uint32).reshape(3, 4)
    whole = InstanceMap.from_array(array)
    array[:] = 0
    assert whole.present == tuple(range(1, 12))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[0, -1]]), "holds the number -1; expected 0 to 16777215"),
        (np.array([[-5, 1 << 24]]), "holds the number -5"),
        (np.array([[1, 1 << 24]]), "holds the number 16777216"),
        (np.array([[1, 1 << 63]], np.uint64), "holds the number 9223372036854775808"),
        (np.array([[1.0, 2.0]]), "is 2-D float64; expected a 2-D array of integers"),
        (np.array([["1"]]), "is 2-D <U1"),
        (np.array([[None]]), "is 2-D object"),
        (np.arange(4), "is 1-D int64"),
        (np.zeros((2, 2, 4), np.uint8), "is 3-D uint8"),
        ([[1, 2]], "is list"),
        (np.zeros((0, 5), np.uint8), "mask size is 0 x 5"),
        (np.zeros((5, 0), np.uint8), "mask size is 5 x 0"),
    ],
)
def test_what_is_no_picture_of_numbers_is_refused(array: NDArray[np.uint32], message: str) -> None:
    with pytest.raises(MaskError, match=message):
        InstanceMap.from_array(array)


def test_a_picture_beyond_the_limit_of_pixels_is_refused() -> None:
    with pytest.raises(MaskError, match="the limit is 11"):
        InstanceMap.from_array(np.zeros((3, 4), np.uint8), max_pixels=11)
    InstanceMap.from_array(np.zeros((3, 4), np.uint8), max_pixels=12)


@given(pictures)
def test_a_picture_is_split_into_the_masks_of_its_numbers(array: Numbers) -> None:
    whole = InstanceMap.from_array(array)
    masks = whole.masks()
    assert tuple(masks) == whole.present
    for number, mask in masks.items():
        assert mask == Mask.from_array(array == number)
        assert whole.mask(number) == mask
        assert not mask.toggles.flags.writeable
    assert whole.mask(0) == Mask.from_array(array == 0)


def test_a_number_without_a_pixel_is_an_empty_mask() -> None:
    whole = InstanceMap.from_array(np.array([[0, 3]]))
    for number in (1, MOST_NUMBERS, 1 << 40, -1):
        assert whole.mask(number) == Mask.empty(1, 2)


@given(pictures, st.data())
def test_numbers_are_exchanged_pixel_by_pixel(array: Numbers, data: st.DataObject) -> None:
    found = np.unique(array).tolist()
    new = data.draw(st.dictionaries(st.sampled_from(found), st.integers(0, MOST_NUMBERS)))
    whole = InstanceMap.from_array(array)
    other = whole.renumbered(new)
    check(other)
    expected = [[new.get(number, 0) for number in row] for row in array.tolist()]
    assert np.array_equal(other.to_array(), np.array(expected))
    assert other == InstanceMap.from_array(np.array(expected))
    assert whole.renumbered({number: number for number in found}) == whole


@given(pairs)
def test_pictures_are_equal_by_their_pixels(pair: tuple[Numbers, Numbers]) -> None:
    one, other = (InstanceMap.from_array(array) for array in pair)
    same = np.array_equal(*pair)
    assert (one == other) is same
    assert (one.digest == other.digest) is same
    again = InstanceMap.from_array(pair[0].copy(order="F"))
    assert again == one
    assert hash(again) == hash(one)
    assert again.digest == one.digest


def test_the_size_is_part_of_a_picture() -> None:
    flat = [InstanceMap.from_array(np.ones(size, np.uint8)) for size in ((2, 6), (6, 2), (3, 4), (1, 12))]
    assert len({whole.digest for whole in flat}) == len(set(flat)) == 4
    assert flat[0] != "InstanceMap"


def test_a_digest_is_the_same_in_every_version() -> None:
    whole = InstanceMap.from_array(np.array([[0, 1], [1, MOST_NUMBERS]]))
    runs = struct.pack("<6I", 0, 1, 3, 0, 1, MOST_NUMBERS)
    assert whole.digest == blake2b(b"2 2\0" + runs, digest_size=16).hexdigest()


def test_a_picture_says_what_it_holds() -> None:
    assert repr(InstanceMap.from_array(np.array([[0, 7, 7, 9]]))) == (
        "InstanceMap(height=1, width=4, instances=2)"
    )


# ---- one instance --------------------------------------------------------------------------------------


@given(pictures)
def test_the_instances_of_an_array_are_its_masks(array: Numbers) -> None:
    found = instances_of(array)
    assert list(found) == sorted(set(array.ravel().tolist()) - {0})
    for number, instance in found.items():
        assert shape_of(instance) is Shape.MASK
        assert (instance.height, instance.width) == array.shape
        assert instance.number == number
        assert np.array_equal(instance.to_mask().to_array(), array == number)
    assert len({id(instance.of) for instance in found.values()}) <= 1


def test_an_instance_of_a_drawn_picture_is_read_from_its_file_only() -> None:
    assert layered("instance_png")
    whole = InstanceMap.from_array(np.array([[0, 3], [3, 9]]))
    data = encode_map("instance_png", whole)
    drawn = DrawnInstances(2, 2, "instance_png", data, whole.digest, frozenset({3, 9}), {})
    instance = Instance(drawn, 3)
    assert (instance.height, instance.width) == (2, 2)
    assert as_mask(instance) == whole.mask(3)
    with pytest.raises(MaskError, match="instance 3 is part of a drawn picture"):
        instance.to_mask()


def test_drawn_pictures_are_equal_by_pixels_notation_and_what_they_hide() -> None:
    def drawn(data: bytes, digest: str, hidden: dict[int, int]) -> DrawnInstances:
        return DrawnInstances(1, 1, "instance_png", data, digest, frozenset(), hidden)

    assert drawn(b"a", "d", {1: 2}) == drawn(b"b", "d", {1: 2})
    assert hash(drawn(b"a", "d", {1: 2})) == hash(drawn(b"b", "d", {1: 2}))
    assert drawn(b"a", "d", {}) != drawn(b"a", "e", {})
    assert drawn(b"a", "d", {}) != drawn(b"a", "d", {1: 2})
    assert drawn(b"a", "d", {}) != "d"


# ---- masks laid over one another -----------------------------------------------------------------------


def painted_by_hand(
    layers: Sequence[tuple[int, Raster]], on_top: OnTop
) -> tuple[NDArray[np.int64], dict[int, int]]:
    """Draw pixel by pixel. Of masks of the same area, the later one counts as the smaller."""
    ranks = {
        OnTop.LAST: range(len(layers)),
        OnTop.FIRST: [-place for place in range(len(layers))],
        OnTop.SMALLEST: [(-int(array.sum()), place) for place, (_, array) in enumerate(layers)],
    }[on_top]
    array = np.zeros(layers[0][1].shape, np.int64)
    for row, column in np.ndindex(array.shape):
        here = [
            (rank, number) for rank, (number, mask) in zip(ranks, layers, strict=True) if mask[row, column]
        ]
        array[row, column] = max(here)[1] if here else 0
    hidden = {number: int((mask & (array != number)).sum()) for number, mask in layers}
    return array, {number: pixels for number, pixels in hidden.items() if pixels}


@pytest.mark.parametrize("on_top", OnTop)
@given(sizes.flatmap(layers_of))
def test_masks_that_share_pixels_are_drawn_in_the_order_asked_for(
    on_top: OnTop, layers: list[tuple[int, Raster]]
) -> None:
    whole, hidden = painted([(number, Mask.from_array(array)) for number, array in layers], on_top)
    check(whole)
    expected, lost = painted_by_hand(layers, on_top)
    assert np.array_equal(whole.to_array(), expected)
    assert hidden == lost
    assert whole == InstanceMap.from_array(expected)


@pytest.mark.parametrize("on_top", OnTop)
@given(pictures, st.randoms())
def test_masks_that_share_no_pixel_are_drawn_alike_in_any_order(
    on_top: OnTop, array: Numbers, random: Random
) -> None:
    whole = InstanceMap.from_array(array)
    layers = [*whole.masks().items(), (77, Mask.empty(*array.shape))]
    layers = layers if 77 not in whole.present else layers[:-1]
    random.shuffle(layers)
    assert painted(layers, on_top) == (whole, {})


def test_of_masks_of_one_area_the_later_one_is_on_top() -> None:
    one, other = Mask(1, 4, np.array([0, 2], np.uint32)), Mask(1, 4, np.array([1, 3], np.uint32))
    assert painted([(5, one), (6, other)], OnTop.SMALLEST) == (
        InstanceMap.from_array(np.array([[5, 6, 6, 0]])),
        {5: 1},
    )


def test_a_mask_that_is_covered_whole_is_hidden_whole() -> None:
    small, large = Mask(1, 4, np.array([1, 3], np.uint32)), Mask(1, 4, np.array([0, 4], np.uint32))
    whole, hidden = painted([(5, small), (6, large)])
    assert whole.present == (6,)
    assert hidden == {5: 2}
    assert painted([(5, small), (6, large)], OnTop.FIRST)[1] == {6: 2}


def test_empty_masks_are_an_empty_picture() -> None:
    whole, hidden = painted([(5, Mask.empty(3, 4)), (6, Mask.empty(3, 4))])
    assert whole == InstanceMap.from_array(np.zeros((3, 4), np.uint8))
    assert whole.present == ()
    assert whole.masks() == {}
    assert hidden == {}


def test_masks_at_the_limit_of_pixels_are_drawn() -> None:
    height, width = 65535, 65537
    end = height * width
    one = Mask(height, width, np.array([0, 1, end - 2, end], np.uint32))
    other = Mask(height, width, np.array([end - 1, end], np.uint32))
    whole, hidden = painted([(1, one), (MOST_NUMBERS, other)])
    check(whole)
    assert whole.masks() == {
        1: Mask(height, width, np.array([0, 1, end - 2, end - 1], np.uint32)),
        MOST_NUMBERS: other,
    }
    assert hidden == {1: 1}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([(1, (2, 3)), (2, (3, 2))], "different sizes: 2 x 3 and 3 x 2"),
        ([(7, (2, 3)), (7, (2, 3))], "the same instance number"),
        ([(0, (2, 3))], "instance number 0 is not 1 to 16777215"),
        ([(1, (2, 3)), (-4, (2, 3))], "instance number -4 is not"),
        ([(MOST_NUMBERS + 1, (2, 3))], "instance number 16777216 is not"),
        ([(1 << 40, (2, 3))], "instance number 1099511627776 is not"),
    ],
)
def test_layers_that_make_no_picture_are_refused(layers: list[tuple[int, Size]], message: str) -> None:
    with pytest.raises(MaskError, match=message):
        painted([(number, Mask.empty(*size)) for number, size in layers])
