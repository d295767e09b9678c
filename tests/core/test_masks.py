"""Masks against the same work done on rasters."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.core.masks import AlphaMask, EncodedMask, Mask, MaskError, Raster, check_size, toggles_of_array
from pipeline.core.toggles import Toggles

Array = NDArray[np.bool_]

sizes = st.tuples(st.integers(1, 9), st.integers(1, 80))


def arrays_of(size: tuple[int, int]) -> st.SearchStrategy[Array]:
    return hnp.arrays(np.bool_, size)


arrays = sizes.flatmap(arrays_of)
pairs = sizes.flatmap(lambda size: st.tuples(arrays_of(size), arrays_of(size)))


def box_of(array: Array) -> tuple[int, int, int, int] | None:
    if not array.any():
        return None
    rows, columns = np.flatnonzero(array.any(axis=1)), np.flatnonzero(array.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


@given(arrays)
def test_an_array_survives_as_toggles(array: Array) -> None:
    mask = Mask.from_array(array)
    assert np.array_equal(mask.to_array(), array)
    assert mask.area == array.sum()
    assert mask.box == box_of(array)


@given(arrays)
def test_every_memory_order_and_kind_gives_the_same_mask(array: Array) -> None:
    mask = Mask.from_array(array)
    spaced = np.repeat(array, 2, axis=1)[:, ::2]
    for same in (np.asfortranarray(array), array.view(np.uint8), spaced):
        assert Mask.from_array(same) == mask
    assert Mask.from_packed(np.packbits(array, bitorder="little").tobytes(), *array.shape) == mask
    assert np.array_equal(toggles_of_array(array), mask.toggles)


@given(arrays)
def test_column_toggles_are_the_toggles_of_the_transposed_array(array: Array) -> None:
    mask = Mask.from_array(array)
    columns = mask.column_toggles()
    assert columns.dtype == np.uint32
    assert np.array_equal(columns, Mask.from_array(np.ascontiguousarray(array.T)).toggles)
    assert Mask.from_column_toggles(columns, *array.shape) == mask


@given(pairs)
def test_set_operations_are_those_of_the_arrays(pair: tuple[Array, Array]) -> None:
    one, other = pair
    a, b = Mask.from_array(one), Mask.from_array(other)
    assert a.union(b) == Mask.from_array(one | other)
    assert a.intersection(b) == Mask.from_array(one & other)
    assert a.difference(b) == Mask.from_array(one & ~other)
    joint = (one | other).sum()
    assert a.iou(b) == ((one & other).sum() / joint if joint else 1.0)


@given(arrays, st.data())
def test_crop_and_place_are_slices(array: Array, data: st.DataObject) -> None:
    height, width = array.shape
    y = data.draw(st.integers(0, height - 1))
    x = data.draw(st.integers(0, width - 1))
    h = data.draw(st.integers(1, height - y))
    w = data.draw(st.integers(1, width - x))
    part = Mask.from_array(array).crop(x, y, w, h)
    assert part == Mask.from_array(array[y : y + h, x : x + w])
    only = np.zeros_like(array)
    only[y : y + h, x : x + w] = array[y : y + h, x : x + w]
    assert part.place(x, y, height, width) == Mask.from_array(only)


@given(arrays)
def test_segments_cover_the_mask_row_by_row(array: Array) -> None:
    mask = Mask.from_array(array)
    rows, starts, ends = mask.segments()
    drawn = np.zeros_like(array)
    for row, start, end in zip(rows, starts, ends, strict=True):
        assert not drawn[row, start:end].any()
        drawn[row, start:end] = True
    assert np.array_equal(drawn, array)
    assert Mask.from_segments(rows[::-1], starts[::-1], ends[::-1], *array.shape) == mask


@given(arrays)
def test_masks_are_values(array: Array) -> None:
    mask, same = Mask.from_array(array), Mask.from_array(array.copy())
    assert mask == same
    assert hash(mask) == hash(same)
    assert mask != Mask.from_array(~array)
    assert Raster(array) == Raster(array.copy())
    assert hash(Raster(array)) == hash(Raster(array.copy()))
    assert Raster(array) != Raster(~array)
    assert Raster(array).to_mask() == mask
    assert Raster(array).packed() == np.packbits(array, bitorder="little").tobytes()


def test_a_mask_of_the_same_toggles_but_another_size_is_another_mask() -> None:
    assert Mask.empty(2, 8) != Mask.empty(8, 2)
    assert Mask.empty(2, 8) != Raster(np.zeros((2, 8), bool))
    assert Raster(np.zeros((2, 8), bool)) != Raster(np.zeros((8, 2), bool))


def test_a_pickled_mask_is_small_equal_and_read_only() -> None:
    array = np.zeros((1024, 1024), np.bool_)
    array[200:500, 300:700] = True
    mask = Mask.from_array(array)
    stored = pickle.dumps(mask)
    assert len(stored) < array.size // 300
    copy = pickle.loads(stored)  # noqa: S301
    assert copy == mask
    assert not copy.toggles.flags.writeable


def test_a_mask_cannot_be_changed_through_the_array_it_was_made_of() -> None:
    toggles = np.array([1, 3], np.uint32)
    mask = Mask(2, 2, toggles)
    toggles[0] = 0
    assert mask.toggles.tolist() == [1, 3]
    with pytest.raises(ValueError, match="read-only"):
        mask.toggles[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        Raster(np.zeros((2, 2), bool)).array[0, 0] = True


def test_a_mask_just_below_the_pixel_limit_is_exact() -> None:
    height, width = 65535, 65537
    mask = Mask(
        height, width, np.array([0, 1, width - 1, width + 2, height * width - 1, height * width], np.uint32)
    )
    assert mask.area == 5
    assert mask.box == (0, 0, width, height)
    assert Mask.from_column_toggles(mask.column_toggles(), height, width) == mask
    assert mask.crop(width - 1, 0, 1, height).area == 2


@pytest.mark.parametrize(
    ("toggles", "message"),
    [
        (np.array([1], np.uint32), "odd length 1"),
        (np.array([2, 2], np.uint32), "increase strictly"),
        (np.array([3, 1], np.uint32), "increase strictly"),
        (np.array([1, 5], np.uint32), "at most 4"),
        (np.array([1, 3]), "1-D int64; expected a 1-D uint32"),
        (np.array([[1, 3]], np.uint32), "2-D uint32; expected a 1-D uint32"),
        ([1, 3], "list; expected a 1-D uint32"),
    ],
)
def test_toggles_that_break_a_rule_are_refused(toggles: Toggles, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        Mask(2, 2, toggles)


@pytest.mark.parametrize(("height", "width"), [(0, 4), (4, 0), (-1, 4), (65536, 65536)])
def test_sizes_without_pixels_or_with_too_many_are_refused(height: int, width: int) -> None:
    with pytest.raises(MaskError, match=rf"mask size is {height} x {width}"):
        Mask.empty(height, width)


def test_the_limit_is_two_to_the_28_pixels_unless_told() -> None:
    check_size(1 << 14, 1 << 14)
    with pytest.raises(MaskError, match="60000 x 60000"):
        check_size(60_000, 60_000)
    check_size(60_000, 60_000, max_pixels=60_000**2)
    with pytest.raises(MaskError, match="4294967295"):
        check_size(1 << 16, 1 << 16, max_pixels=1 << 40)


@pytest.mark.parametrize("make", [Raster, Mask.from_array])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 1), bool), "3-D bool"),
        (np.zeros((2, 2)), "2-D float64"),
        (np.full((2, 2), 255, np.uint8), "holds 255; only 0 and 1"),
        ([[True]], "list"),
        (np.zeros((0, 4), bool), "0 x 4"),
    ],
)
def test_arrays_that_are_no_masks_are_refused(
    make: Callable[[Array], object], array: Array, message: str
) -> None:
    with pytest.raises(MaskError, match=message):
        make(array)


def test_packed_bits_of_the_wrong_length_or_with_stray_bits_are_refused() -> None:
    with pytest.raises(MaskError, match="has 1 bytes; 3 x 3 pixels need 2"):
        Mask.from_packed(b"\x00", 3, 3)
    with pytest.raises(MaskError, match="unused bits zero"):
        Mask.from_packed(b"\x00\x02", 3, 3)


def test_masks_of_different_images_do_not_mix() -> None:
    with pytest.raises(MaskError, match="2 x 3 and 3 x 2"):
        Mask.empty(2, 3).union(Mask.empty(3, 2))


@pytest.mark.parametrize("box", [(-1, 0, 1, 1), (0, 0, 0, 1), (3, 0, 2, 1), (0, 1, 1, 3)])
def test_a_box_outside_the_image_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(MaskError, match="leaves the image of 3 x 4"):
        Mask.empty(3, 4).crop(*box)


def test_segments_outside_the_image_are_refused() -> None:
    with pytest.raises(MaskError, match="must lie in 3 x 4"):
        Mask.from_segments(np.array([3]), np.array([0]), np.array([1]), 3, 4)


def test_alpha_masks_are_values_inside_their_image() -> None:
    crop = np.array([[0, 128], [255, 1]], np.uint8)
    mask = AlphaMask(4, 6, 4, 2, crop)
    assert mask == AlphaMask(4, 6, 4, 2, crop.copy())
    assert hash(mask) == hash(AlphaMask(4, 6, 4, 2, crop.copy()))
    assert mask != AlphaMask(4, 6, 3, 2, crop)
    crop[0, 0] = 9
    assert mask.crop[0, 0] == 0
    with pytest.raises(MaskError, match="leaves the image"):
        AlphaMask(4, 6, 5, 2, crop)
    with pytest.raises(MaskError, match="2-D bool; expected a 2-D uint8"):
        AlphaMask(4, 6, 0, 0, crop > 0)  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(mask)) == mask  # noqa: S301


def test_encoded_masks_are_values() -> None:
    assert EncodedMask(3, 4, "encord_rle", "123O2") == EncodedMask(3, 4, "encord_rle", "123O2")
