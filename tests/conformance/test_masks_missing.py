"""Masks that are not where they seem to be: what would be lost in silence is said."""

import os
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.platforms.masks.adapter import MasksAdapter
from pipeline.platforms.masks.settings import Settings
from tests.conformance.moving import keys_of, rejections_of, rows_of, tools
from tests.conformance.test_masks import part, picture, source_of

pytestmark = pytest.mark.anyio


def two(folder: Path) -> Path:
    """Two images with a mask each; that of `b.jpg` is not there yet. Returns where it would be."""
    for name in ("a", "b"):
        picture(folder / f"{name}.jpg")
    picture(folder / "a" / "car_1.png", part(1))
    (folder / "b").mkdir()
    return folder / "b" / "car_1.png"


async def test_a_mask_that_is_a_link_to_nowhere_rejects_its_image(tmp_path: Path) -> None:
    mask = two(tmp_path)
    for target, message in (("gone.png", "No such file"), (mask.name, "Too many levels")):
        mask.symlink_to(target)
        source = source_of(tmp_path)
        [(key, reason)] = (await rejections_of(source)).items()
        assert key == "b.jpg"
        assert f"{mask} cannot be read: {message}" in reason
        mask.unlink()


async def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    mask = two(tmp_path)
    os.mkfifo(mask)
    [(key, reason)] = (await rejections_of(source_of(tmp_path))).items()
    assert (key, f"{mask} is no file" in reason) == ("b.jpg", True)


async def test_a_mask_may_be_a_link(tmp_path: Path) -> None:
    mask = two(tmp_path)
    mask.symlink_to(picture(tmp_path / "elsewhere.bin.png", part(2)).rename(tmp_path / ".kept.png"))
    assert [len(row.objects) for row in await rows_of(source_of(tmp_path))] == [1, 1]


@pytest.mark.parametrize("pattern", ["{image}/{class}-{n}.png", "masks/{image}/{class}_{n}.png"])
async def test_a_pattern_that_fits_nothing_ends_the_run_before_labels_are_replaced_by_none(
    pattern: str, tmp_path: Path
) -> None:
    two(tmp_path)
    with pytest.raises(UsageError, match=r"fits none of the 3 pictures in .*; correct it"):
        await keys_of(source_of(tmp_path, pattern=pattern))
    adapter = MasksAdapter(Settings(path=tmp_path, pattern=pattern), tools(tmp_path))
    assert [check.ok async for check in adapter.checks()] == [False]


async def test_a_folder_of_masks_that_is_empty_ends_the_run(tmp_path: Path) -> None:
    two(tmp_path / "images")
    (tmp_path / "masks").mkdir()
    with pytest.raises(UsageError, match="fits none of the 0 pictures"):
        await keys_of(source_of(tmp_path / "images", masks=tmp_path / "masks"))
