"""Encord's and COCO's run-length strings, judged by their published examples and by pycocotools."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pycocotools import mask as coco

from pipeline.core import codecs
from pipeline.core.codecs import coco_rle, encord_rle, instance_png
from pipeline.core.instances import InstanceMap, instances_of
from pipeline.core.masks import Mask, MaskError, Raster

RESULTS = Path(__file__).parents[3] / "shared/data/coco/instances_val2014_fakesegm100_results.json"

Array: TypeAlias = NDArray[np.bool_]
Decode: TypeAlias = Callable[..., Mask]
arrays = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda size: hnp.arrays(np.bool_, size))


def drawn(height: int, width: int, *pixels: tuple[int, int]) -> Mask:
    array = np.zeros((height, width), np.bool_)
    for row, column in pixels:
        array[row, column] = True
    return Mask.from_array(array)


def rectangle() -> Mask:
    array = np.zeros((100, 100), np.bool_)
    array[10:20, 10:50] = True
    return Mask.from_array(array)


EXAMPLES = [
    (drawn(3, 4, (0, 1), (0, 2), (1, 2)), "123O2", "31212"),
    (drawn(3, 4), "<", "<"),
    (Mask.from_array(np.ones((3, 4), np.bool_)), "0<", "0<"),
    (rectangle(), "bo0X1l100000000000000000fi7", None),
]


@pytest.mark.parametrize(("mask", "encord", "in_coco"), EXAMPLES)
def test_examples_of_both_notations(mask: Mask, encord: str, in_coco: str | None) -> None:
    assert encord_rle.encode(mask) == encord
    assert encord_rle.decode(encord, mask.height, mask.width) == mask
    if in_coco is not None:
        assert coco_rle.encode(mask) == in_coco
        assert coco_rle.decode(in_coco, mask.height, mask.width) == mask


@given(arrays)
def test_coco_strings_are_those_of_pycocotools(array: Array) -> None:
    height, width = array.shape
    theirs = coco.encode(np.asfortranarray(array.view(np.uint8)))["counts"]
    mask = Mask.from_array(array)
    assert coco_rle.encode(mask) == theirs.decode()
    assert coco_rle.decode(theirs, height, width) == mask
    counts = coco_rle.encode_counts(mask)
    assert sum(counts) == array.size
    assert coco_rle.decode(counts, height, width) == mask
    assert coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"] == theirs


@given(arrays)
def test_an_encord_string_is_the_coco_string_of_the_transposed_mask(array: Array) -> None:
    height, width = array.shape
    mask = Mask.from_array(array)
    assert encord_rle.encode(mask) == coco_rle.encode(Mask.from_array(array.T))
    assert encord_rle.decode(encord_rle.encode(mask), height, width) == mask


@pytest.mark.parametrize("side", [31, 512, 4096, 12_000])
def test_long_runs_need_several_characters_and_survive(side: int) -> None:
    size = side * side
    places = np.unique(np.random.default_rng(side).integers(0, size + 1, 100)).astype(np.uint32)
    mask = Mask(side, side, places[: len(places) & ~1])
    assert encord_rle.decode(encord_rle.encode(mask), side, side) == mask
    assert coco_rle.decode(coco_rle.encode(mask), side, side) == mask


def test_runs_at_the_pixel_limit_survive() -> None:
    height, width = 65535, 65537
    mask = Mask(height, width, np.array([height * width - 1, height * width], np.uint32))
    text = encord_rle.encode(mask)
    assert encord_rle.decode(text, height, width, max_pixels=1 << 32) == mask
    text = coco_rle.encode(mask)
    assert coco_rle.decode(text, height, width, max_pixels=1 << 32) == mask


@pytest.mark.parametrize("decode", [encord_rle.decode, coco_rle.decode])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("=", "run 0 of the mask is 13; expected 0 to 12"),
        ("77", "add up to 14; the image has only 12"),
        ("0<1", "add up to 13"),
        ("O", "run 0 of the mask is -1"),
        ("1 3", "' ' at position 1"),
        ("1p3", "'p' at position 1"),
        ("12é", "'é' at position 2"),
        (b"1\xff", r"b'\\xff' at position 1"),
        ("12o", "cut off"),
        ("oooooooo0", "number of 9 characters"),
    ],
)
def test_broken_strings_are_refused(decode: Decode, data: str | bytes, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        decode(data, 3, 4)


@pytest.mark.parametrize("decode", [encord_rle.decode, coco_rle.decode])
def test_what_a_short_string_does_not_reach_is_outside(decode: Decode) -> None:
    assert decode("", 3, 4) == Mask.empty(3, 4)
    assert decode("1", 3, 4) == Mask.empty(3, 4)
    assert decode("03", 3, 4).area == 3


def test_short_counts_have_the_area_and_box_that_pycocotools_gives_them() -> None:
    theirs = {"size": [3, 4], "counts": b"023"}
    mask = coco_rle.decode("023", 3, 4)
    assert mask.area == coco.area(theirs)
    assert mask.box == tuple(coco.toBbox(theirs).astype(int).tolist())


@pytest.mark.parametrize("decode", [encord_rle.decode, coco_rle.decode])
def test_runs_of_no_length_join_their_neighbours(decode: Decode) -> None:
    assert decode("120N", 3, 4) == decode("12", 3, 4)


def test_counts_of_no_length_join_their_neighbours() -> None:
    assert coco_rle.decode([1, 2, 0, 3], 3, 4) == coco_rle.decode([1, 5], 3, 4)
    assert coco_rle.decode([1, 0, 2, 3], 3, 4) == coco_rle.decode([3, 3], 3, 4)


@pytest.mark.parametrize("counts", [[1.5, 2], ["1"], [[1, 2]], [1 << 70], [True], [1, [2]]])
def test_counts_that_are_no_flat_list_of_integers_are_refused(counts: list[int]) -> None:
    with pytest.raises(MaskError, match="neither a string nor a flat list of integers"):
        coco_rle.decode(counts, 3, 4)


@pytest.mark.parametrize("counts", [[-1, 4], [13], [6, 7], [(1 << 63) - 1, 1]])
def test_counts_that_do_not_fit_the_image_are_refused(counts: list[int]) -> None:
    with pytest.raises(MaskError, match="12"):
        coco_rle.decode(counts, 3, 4)


@pytest.mark.parametrize("decode", [encord_rle.decode, coco_rle.decode])
def test_an_image_beyond_the_pixel_limit_is_refused(decode: Decode) -> None:
    with pytest.raises(MaskError, match="60000 x 60000"):
        decode("1", 60_000, 60_000)
    with pytest.raises(MaskError, match="the limit is 11"):
        decode("1", 3, 4, max_pixels=11)


def test_codecs_are_found_by_name() -> None:
    mask = rectangle()
    assert codecs.encode("encord_rle", mask) == encord_rle.encode(mask)
    assert codecs.encode("coco_rle", Raster(mask.to_array())) == coco_rle.encode(mask)
    assert codecs.decode("coco_rle", coco_rle.encode_counts(mask), 100, 100) == mask


def test_a_codec_puts_each_mask_into_a_text_or_all_of_a_frame_into_a_picture() -> None:
    assert codecs.layered("instance_png")
    assert not any(map(codecs.layered, ("", "coco_rle", "encord_rle")))
    whole = InstanceMap.from_array(np.array([[0, 1], [2, 2]]))
    assert codecs.encode_map("instance_png", whole) == instance_png.encode(whole)
    for instance in instances_of(whole.to_array()).values():
        assert codecs.encode("coco_rle", instance) == coco_rle.encode(instance.to_mask())


@pytest.mark.parametrize("name", ["webp", "_runs", "_png", "", "../masks"])
def test_an_unknown_codec_is_refused_by_name(name: str) -> None:
    known = "bitmap_png, coco_rle, encord_rle, instance_png"
    with pytest.raises(MaskError, match=rf"codec {name!r} is not known; expected one of {known}$"):
        codecs.encode(name, Mask.empty(1, 1))
    with pytest.raises(MaskError, match="is not known"):
        codecs.encode_map(name, InstanceMap.from_array(np.array([[1]])))
    if name:
        with pytest.raises(MaskError, match="is not known"):
            codecs.layered(name)


@pytest.mark.skipif(not RESULTS.exists(), reason="the COCO results of ../shared/data are not there")
def test_real_coco_masks_go_to_encord_and_back_to_the_same_string() -> None:
    results = json.loads(RESULTS.read_bytes())
    assert len(results) == 734
    for result in results:
        (height, width), counts = result["segmentation"]["size"], result["segmentation"]["counts"]
        mask = coco_rle.decode(counts, height, width)
        assert coco_rle.encode(mask) == counts
        assert mask.area == coco.area(result["segmentation"])
        assert mask.box == tuple(coco.toBbox(result["segmentation"]).astype(int).tolist())
        back = encord_rle.decode(encord_rle.encode(mask), height, width)
        assert coco_rle.encode(back) == counts
