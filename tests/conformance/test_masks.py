"""Folders of images with one picture for each mask, as a source."""

import os
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline import Job, run
from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow
from pipeline.core.masks import Mask
from pipeline.core.ontology import Ontology
from pipeline.core.rows import RowKey
from pipeline.errors import UsageError
from pipeline.job import parse_address
from pipeline.platforms.archive.settings import Settings as ArchiveSettings
from pipeline.platforms.archive.source import ArchiveSource
from pipeline.platforms.masks import PLATFORM
from pipeline.platforms.masks.adapter import MasksAdapter
from pipeline.platforms.masks.settings import Settings
from pipeline.platforms.masks.source import MasksSource
from pipeline.ports import RowChoice
from tests.conformance.moving import keys_of, rejections_of, rows_of, tools

pytestmark = pytest.mark.anyio

Array: TypeAlias = NDArray[Any]
SIZE = (20, 30)  # height and width
CAR = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "car"


def picture(path: Path, pixels: Array | None = None) -> Path:
    """Write a picture, grey noise unless told otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*SIZE, 3), 90, np.uint8) if pixels is None else pixels
    written, data = cv2.imencode(path.suffix, pixels)
    assert written
    path.write_bytes(data.tobytes())
    return path


def part(at: int, value: int = 255, size: tuple[int, int] = SIZE) -> Array:
    """A mask of a block of pixels."""
    array = np.zeros(size, np.uint8)
    array[at : at + 5, 2 * at : 2 * at + 9] = value
    return array


def source_of(folder: Path, choice: RowChoice | None = None, **settings: Any) -> MasksSource:  # noqa: ANN401
    return MasksSource(Settings(path=folder, **settings), choice or RowChoice())


def masks_in(row: LabelRow) -> dict[str, tuple[str, Mask]]:
    found = {}
    for item in row.objects:
        geometry = item.occurrences[0].geometry
        assert isinstance(geometry, Mask)
        found[item.id] = item.class_name, geometry
    return found


def block(at: int) -> Mask:
    return Mask.from_array(part(at) > 0)


def tutorial(folder: Path) -> Path:
    """The layout of the vendor's tutorial on binding: one image, and its masks in a folder beside it."""
    picture(folder / "image.jpg")
    for n in (1, 2, 3):
        picture(folder / "car_masks" / f"car_{n:02}.png", part(n))
    return folder


# ---- what is read -----------------------------------------------------------------------------------------


async def test_all_masks_of_the_only_image_are_its_objects(tmp_path: Path) -> None:
    source = source_of(tutorial(tmp_path), pattern="car_masks/{class}_{number}.png")
    [row] = await rows_of(source)
    assert (row.key, row.title) == ("image.jpg", "image.jpg")
    assert row.size_at(0) == SIZE
    assert row.media[0].path == "image.jpg"
    assert masks_in(row) == {f"car_masks/car_0{n}.png": ("car", block(n)) for n in (1, 2, 3)}
    [key] = await keys_of(source)
    assert key == RowKey(
        "image.jpg", 0, "image.jpg", "image.jpg", pairs=frozenset({("car", Shape.MASK)}), labels=3,
        mask_pixels=3 * SIZE[0] * SIZE[1],
    )  # fmt: skip
    ontology = await source.ontology()
    assert ontology == Ontology(ontology.classes if ontology else ())
    assert [(item.name, item.shape) for item in ontology.classes] == [("car", Shape.MASK)]


LAYOUTS = [
    ("{image}/{class}_{n}.png", ["a/car_1.png", "a/road_2.png", "deep/b/car_1.png"]),
    ("{image}_{class}.png", ["a_car.png", "a_road.png", "deep/b_car.png"]),
    ("{image}_{class}.png", ["a_car.PNG", "a_road.png", "deep/b_car.Png"]),  # endings in capitals fit too
    ("{class}/{image}.png", ["car/a.png", "road/a.png", "car/deep/b.png"]),
    ("{class}/{image}.png", ["car/a.png", "road/a.png", "car/b.png"]),
    ("{image}.{class}.*.png", ["a.jpg.car.x.png", "a.jpg.road..png", "b.jpg.car.1.png"]),
    ("masks/{class}/*-{image}.png", ["masks/car/1-a.png", "masks/road/2-a.png", "masks/car/-b.png"]),
]


@pytest.mark.parametrize(("pattern", "names"), LAYOUTS)
@pytest.mark.parametrize("apart", [True, False])
async def test_a_pattern_says_image_and_class(
    pattern: str, names: list[str], tmp_path: Path, *, apart: bool
) -> None:
    images = tmp_path / "images"
    masks = tmp_path / "masks" if apart else images
    picture(images / "a.jpg")
    picture(images / "deep" / "b.jpg")
    for n, name in enumerate(names):
        picture(masks / name, part(n))
    source = source_of(images, pattern=pattern, masks=masks if apart else None)
    a, b = await rows_of(source)
    assert (a.key, b.key, b.title) == ("a.jpg", "deep/b.jpg", "b.jpg")
    assert masks_in(a) == {names[0]: ("car", block(0)), names[1]: ("road", block(1))}
    assert masks_in(b) == {names[2]: ("car", block(2))}
    assert [key.path for key in await keys_of(source)] == ["a.jpg", "deep/b.jpg"]


async def test_a_name_that_can_be_read_in_two_ways_is_of_the_longest_image(tmp_path: Path) -> None:
    for name in ("img.jpg", "img_1.jpg"):
        picture(tmp_path / name)
    for name in ("img_1_car.png", "img_big_car.png"):
        picture(tmp_path / name, part(1))
    short, long = await rows_of(source_of(tmp_path, pattern="{image}_{class}.png"))
    assert {name: found[0] for name, found in masks_in(short).items()} == {"img_big_car.png": "big_car"}
    assert {name: found[0] for name, found in masks_in(long).items()} == {"img_1_car.png": "car"}


async def test_numbers_in_names_are_counted_and_images_without_masks_are_rows(tmp_path: Path) -> None:
    for n in (10, 9, 1):
        picture(tmp_path / f"{n}.jpg")
    for n in (10, 2, 1):
        picture(tmp_path / "9" / f"car_{n}.png", part(1))
    rows = await rows_of(source_of(tmp_path))
    assert [row.key for row in rows] == ["1.jpg", "9.jpg", "10.jpg"]
    assert [item.id for item in rows[1].objects] == ["9/car_1.png", "9/car_2.png", "9/car_10.png"]
    assert rows[0].objects == rows[2].objects == ()


async def test_one_class_may_be_given_for_all(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "m" / "a.png", part(1))
    source = source_of(tmp_path, masks=tmp_path / "m", pattern="{image}.png", class_name="cell")
    [row] = await rows_of(source)
    assert masks_in(row) == {"a.png": ("cell", block(1))}


async def test_what_is_hidden_or_no_picture_is_not_looked_at(tmp_path: Path) -> None:
    tutorial(tmp_path)
    picture(tmp_path / ".thumbs" / "b.jpg")
    (tmp_path / ".c.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("hello")
    os.mkfifo(tmp_path / ".pipe.jpg")
    [row] = await rows_of(source_of(tmp_path, pattern="car_masks/{class}_{n}.png"))
    assert len(row.objects) == 3


async def test_rows_are_chosen_by_title_id_and_limit(tmp_path: Path) -> None:
    for name in ("x/a.jpg", "x/b.jpg", "y/a.jpg"):
        picture(tmp_path / name)
    picture(tmp_path / "b" / "car_1.png", part(1))

    async def chosen(**choice: Any) -> list[str]:  # noqa: ANN401
        rows = await rows_of(source_of(tmp_path, RowChoice(**choice)))
        return [row.key for row in rows]

    assert await chosen(titles=("a.jpg",)) == ["x/a.jpg", "y/a.jpg"]
    assert await chosen(ids=("x/b.jpg",)) == ["x/b.jpg"]
    assert await chosen(limit=2) == ["x/a.jpg", "x/b.jpg"]
    with pytest.raises(UsageError, match="files have no status"):
        await chosen(status=("done",))


# ---- kinds of pictures ------------------------------------------------------------------------------------


def with_alpha(colour: int) -> Array:
    array = np.full((*SIZE, 4), colour, np.uint8)
    array[:, :, 3] = part(2)
    return array


def opaque() -> Array:
    array = np.full((*SIZE, 4), 255, np.uint8)
    array[:, :, :3] = part(2)[:, :, None]
    return array


def red() -> Array:
    array = np.zeros((*SIZE, 3), np.uint8)
    array[:, :, 2] = part(2)
    return array


KINDS = {
    "0 and 255": part(2),
    "0 and 1": part(2, 1),
    "three channels": np.repeat(part(2)[:, :, None], 3, axis=2),
    "red": red(),
    "white on clear": with_alpha(255),
    "black on clear": with_alpha(0),
    "opaque": opaque(),
    "16 bits": part(2).astype(np.uint16) * 257,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_masks_of_every_kind_are_read(kind: str, tmp_path: Path) -> None:
    picture(tmp_path / "image.jpg")
    picture(tmp_path / "m" / "car_1.png", KINDS[kind])
    [row] = await rows_of(source_of(tmp_path, pattern="m/{class}_{n}.png"))
    assert masks_in(row) == {"m/car_1.png": ("car", block(2))}


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
async def test_masks_of_one_bit_and_other_files_are_read(suffix: str, tmp_path: Path) -> None:
    picture(tmp_path / "image.jpg")
    path = tmp_path / "m" / f"car_1{suffix}"
    path.parent.mkdir()
    options = (cv2.IMWRITE_PNG_BILEVEL, 1) if suffix == ".png" else ()
    path.write_bytes(cv2.imencode(suffix, part(2), options)[1].tobytes())
    [row] = await rows_of(source_of(tmp_path, pattern=f"m/{{class}}_{{n}}{suffix}"))
    assert masks_in(row) == {f"m/car_1{suffix}": ("car", block(2))}


async def test_soft_edges_need_a_threshold(tmp_path: Path) -> None:
    picture(tmp_path / "image.jpg")
    soft = part(2)
    soft[7] = 60
    picture(tmp_path / "m" / "car_1.png", soft)
    pattern = "m/{class}_{n}.png"
    [reason] = (await rejections_of(source_of(tmp_path, pattern=pattern))).values()
    assert reason == (
        "image image.jpg: mask m/car_1.png: pixels inside have the values 255 and 60, and a mask has "
        "one: a picture of several instances is no mask; for soft edges set `threshold`"
    )
    for threshold, wanted in ((128, soft >= 128), (60, soft >= 60), (61, soft >= 61)):
        [row] = await rows_of(source_of(tmp_path, pattern=pattern, threshold=threshold))
        assert masks_in(row) == {"m/car_1.png": ("car", Mask.from_array(wanted))}


# ---- what is refused --------------------------------------------------------------------------------------


async def test_a_broken_mask_rejects_its_image_and_names_the_file(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e", "f"):
        picture(tmp_path / f"{name}.jpg")
        picture(tmp_path / name / "car_1.png", part(1))
    picture(tmp_path / "g.jpg")
    picture(tmp_path / "g" / "car_1.png", part(1, size=(SIZE[0] + 1, SIZE[1])))
    good = (tmp_path / "a" / "car_1.png").read_bytes()
    (tmp_path / "b" / "car_1.png").write_bytes(good[:-20])
    (tmp_path / "c" / "car_1.png").write_text("<html>")
    picture(tmp_path / "d" / "car_1.png", part(1, size=(SIZE[1], SIZE[0])))
    picture(tmp_path / "e" / "car_1.png", part(1, 0))
    (tmp_path / "f.jpg").write_bytes(b"")
    found = await rejections_of(source_of(tmp_path))
    assert found == {
        "b.jpg": "image b.jpg: mask b/car_1.png: it is no whole PNG file: a checksum is wrong, or the file "
        "ends early",
        "c.jpg": "image c.jpg: mask c/car_1.png: it is no picture; expected a PNG file",
        "d.jpg": "image d.jpg: mask d/car_1.png has 20 x 30 pixels (width x height), its image d.jpg has "
        "30 x 20; is it of another image, or does EXIF turn this one? Then store it turned",
        "e.jpg": "image e.jpg: mask e/car_1.png has no pixel; remove the file, or set `empty: skip`",
        "g.jpg": "image g.jpg: mask g/car_1.png has 30 x 21 pixels (width x height), its image g.jpg has "
        "30 x 20; is it of another image?",
    }
    rows = {row.key: row for row in await rows_of(source_of(tmp_path, RowChoice(ids=("f.jpg",))))}
    assert rows["f.jpg"].size_at(0) == SIZE, "an image that cannot be read has the size of its masks"


async def test_a_mask_without_a_pixel_can_be_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "a" / "car_1.png", part(1, 0))
    picture(tmp_path / "a" / "car_2.png", part(1))
    [row] = await rows_of(source_of(tmp_path, empty="skip"))
    assert [item.id for item in row.objects] == ["a/car_2.png"]


async def test_a_mask_that_is_gone_when_it_is_read_rejects_its_image(tmp_path: Path) -> None:
    source = source_of(tutorial(tmp_path), pattern="car_masks/{class}_{n}.png")
    assert len(await keys_of(source)) == 1
    (tmp_path / "car_masks" / "car_02.png").unlink()
    [reason] = (await rejections_of(source)).values()
    assert "car_02.png cannot be read: No such file" in reason


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (
            ["a.jpg", "b.jpg", "m/car_1.png"],
            {"pattern": "m/{class}_{n}.png"},
            "has 2 images .*add {image} to it",
        ),
        (["a.jpg", "b/car_1.png", "c/car_1.png"], {}, r"no image for b/car_1.png, c/car_1.png: the pattern"),
        (["a_car.png"], {"pattern": "{image}_{class}.png"}, "takes all 1 pictures for masks"),
        ([], {}, "has no image"),
        (["x/a.jpg", "y/a.jpg", "a/car_1.png"], {}, "mask a/car_1.png could be of x/a.jpg or of y/a.jpg"),
        (["a.jpg", "a.png", "a/car_1.png"], {}, "mask a/car_1.png could be of a.jpg or of a.png"),
        (["a.jpg", "b\n.jpg"], {}, r"the name 'b\\n.jpg'; rename it"),
    ],
)
async def test_files_that_do_not_fit_together_end_the_run_before_any_write(
    names: list[str], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    for name in names:
        picture(tmp_path / name, part(1))
    with pytest.raises(UsageError, match=message):
        await keys_of(source_of(tmp_path, **settings))
    adapter = MasksAdapter(Settings(path=tmp_path, **settings), tools(tmp_path))
    checks = [check async for check in adapter.checks()]
    assert [check.ok for check in checks] == [False]


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the folder .*nowhere: No such file"):
        await keys_of(source_of(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "{image}.png"}, "has no {class}; add it, or `class_name`"),
        ({"pattern": "{klass}.png"}, "'{klass}' is not known; expected {image}, {class}, {n}"),
        ({"pattern": "{class}_{n}{number}.png"}, "{n} is there twice"),
        ({"pattern": "{class.png"}, "'{' is not known"),
        ({"pattern": "../{class}.png"}, "expected a path below the folder"),
        ({"pattern": "/{class}.png"}, "expected a path below the folder"),
        ({"pattern": ""}, "expected a path below the folder"),
        ({"threshold": 0}, "greater than or equal to 1"),
        ({"empty": "maybe"}, "'reject' or 'skip'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(path=Path(), **settings)
    assert message in str(refused.value)


# ---- whole jobs -------------------------------------------------------------------------------------------


async def test_checks_say_what_was_found(tmp_path: Path) -> None:
    tutorial(tmp_path / "images")
    picture(tmp_path / "images" / "car_masks" / "other.png", part(1))
    settings = Settings(
        path=tmp_path / "images", masks=tmp_path / "images" / "car_masks", pattern="{class}_{n}.png"
    )
    async with PLATFORM.connect(settings, tools(tmp_path)) as adapter:
        checks = [check async for check in adapter.checks()]
        with pytest.raises(UsageError, match="masks is a source only"):
            adapter.target()
    assert all(check.ok for check in checks)
    assert [check.message for check in checks] == [
        "1 images and 3 masks", "the pattern '{class}_{n}.png' leaves out 1 pictures", "car",
    ]  # fmt: skip


async def test_the_parts_of_a_car_are_bound_on_their_way(tmp_path: Path) -> None:
    tutorial(tmp_path / "images")
    address = f"masks:{tmp_path}/images?pattern=car_masks/{{class}}_{{number}}.png"
    job = Job(
        name="tutorial",
        source=parse_address(address),
        target=parse_address(f"archive:{tmp_path}/backup"),
        operations=[{"bind": {"by": "row"}}],
        journal=f"sqlite:///{tmp_path}/journal.db",
        engine={"workers": 1},
    )
    report = await run(job)
    assert report.exit_code == 0
    [row] = await rows_of(ArchiveSource(ArchiveSettings(path=tmp_path / "backup").path, RowChoice()))
    assert [group.objects for group in row.groups] == [tuple(item.id for item in row.objects)]
    assert len(row.objects) == 3


@pytest.mark.skipif(not CAR.exists(), reason="the photo of the car is not beside the repository")
async def test_the_real_masks_of_the_car_are_read() -> None:
    source = source_of(CAR, pattern="{class}_{n}.png")
    [row] = await rows_of(source)
    assert row.title == "image.jpg"
    assert row.size_at(0) == (1282, 1920)
    found = masks_in(row)
    for name, (class_name, mask) in found.items():
        pixels = cv2.imread(str(CAR / name))
        assert pixels is not None
        assert class_name == "car"
        assert mask == Mask.from_array(pixels[:, :, 0] > 0)
    assert list(found) == ["car_01.png", "car_02.png", "car_03.png"]
