"""Labels go between Encord and Segments.ai and keep what they say; the SDK judges the side of Segments.ai."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, MediaKind, ObjectInstance
from pipeline.core.ontology import (
    AttributeDef,
    AttributeKind,
    ClassDef,
    ClassificationDef,
    Ontology,
    OptionDef,
)
from pipeline.platforms.encord.stand_in import serve as serve_encord
from pipeline.ports import Seed
from tests.oracles.jobs import ferried, tried
from tests.oracles.segments import meant
from tests.oracles.segments.jobs import labels
from tests.oracles.segments.rows import CATEGORIES, FRAMES, TASK_ATTRIBUTES, bare, row
from tests.oracles.segments.served import Json, Sdk, Served, needs_sdk, served

pytestmark = [pytest.mark.anyio, needs_sdk]

BOTH = {"plate", "hue", "marks", "speed"}
"""Attributes that Encord has an equal for."""
SHAPES = (Shape.MASK, Shape.POLYGON, Shape.BOX, Shape.POLYLINE, Shape.POINT)
SEQUENCES = {
    MediaKind.VIDEO: "a video has one file, and frames",
    MediaKind.IMAGE_GROUP: "a group has a picture for each frame",
    MediaKind.IMAGE_SEQUENCE: "a sequence has one size",
}


def ontology() -> Ontology:
    """The classes of `TASK_ATTRIBUTES` as far as Encord has them, in every shape."""
    text, number = AttributeKind.TEXT, AttributeKind.NUMBER
    hues, marks = (tuple(map(OptionDef, names)) for names in (("red", "blue"), ("dent", "rust")))
    attributes = (
        AttributeDef("plate", text),
        AttributeDef("hue", AttributeKind.RADIO, options=hues),
        AttributeDef("marks", AttributeKind.CHECKLIST, options=marks),
        AttributeDef("speed", number, dynamic=True),
    )
    classes = [ClassDef("vehicle", shape, attributes=attributes) for shape in SHAPES]
    classes += [ClassDef("trailer", shape, attributes=attributes[:1]) for shape in SHAPES]
    return Ontology(tuple(classes), (ClassificationDef(AttributeDef("weather", text)),))


def plain(task_type: str, *, keyframes: bool = True) -> LabelRow:
    """A row of that type with what both platforms have."""
    found = row(task_type)
    objects = tuple(_plain(item, keyframes=keyframes) for item in found.objects)
    marks = tuple(mark for mark in found.classifications if mark.name == "weather")
    return replace(found, objects=objects, classifications=marks, relations=(), score=None)


def _plain(item: ObjectInstance, *, keyframes: bool) -> ObjectInstance:
    answers = tuple(answer for answer in item.answers if answer.attribute in BOTH)
    drawn = {
        frame: replace(one, keyframe=True) if keyframes else one for frame, one in item.occurrences.items()
    }
    return replace(item, answers=answers, occurrences=drawn, track=None)


def shown_as(found: LabelRow, kind: MediaKind) -> LabelRow:
    """The same row on media of another kind."""
    if kind is MediaKind.IMAGE:
        return found
    if kind is MediaKind.IMAGE_GROUP:
        return replace(found, media_kind=kind)
    return replace(found, media_kind=kind, media=found.media[:1], frame_count=FRAMES, fps=10.0)


@asynccontextmanager
async def encord(rows: Sequence[LabelRow], folder: Path) -> AsyncIterator[Json]:
    """Serve a project with these rows, without their labels, and give it as a side of a job."""
    seed = Seed(ontology(), [bare(one) for one in rows])
    async with serve_encord(seed, {"keys": str(folder / "keys")}) as running:
        project = running.address.removeprefix("encord:").partition("?")[0]
        key = running.environment["ENCORD_SSH_KEY_FILE"]
        yield {"platform": "encord", "project": project, "url": running.url, "ssh_key_file": key}


async def read(server: Served, labelset: str = "ground-truth") -> Json:
    found = await server.sdk("read_label", sample=server.uuids["sample"], labelset=labelset)
    attributes: Json = found["attributes"]
    return attributes


async def judge(server: Served, found: LabelRow, labelset: str = "ground-truth") -> None:
    """Check what the SDK sees of a row: annotations, tracks, and the pixels of bitmaps."""
    label = await read(server, labelset)
    moving = found.media_kind is not MediaKind.IMAGE
    assert meant.disagreements(found, label, moving=moving) == []
    held = meant.numbers(found, await server.stored("sample", labelset=labelset))
    assert {len(set(numbers)) for numbers in held.values()} == {1}
    assert len({numbers[0][1] for numbers in held.values()}) == len(found.objects)
    for _, at, frame in meant.bitmaps(label):
        ids = await server.ids("bitmap", url=frame["segmentation_bitmap"]["url"])
        assert np.array_equal(ids, meant.picture(found, frame, at)), at


async def there_and_back(sdk: Sdk, folder: Path, found: LabelRow, task_type: str, kind: MediaKind) -> None:
    """Bring a row from Encord to Segments.ai, from there to an empty project of Encord, and back again."""
    film = shown_as(found, kind)
    options: Json = {"task_type": task_type, "task_attributes": TASK_ATTRIBUTES}
    async with (
        encord([film], folder / "one") as first,
        encord([film], folder / "two") as second,
        served(sdk, [bare(found)], **options) as server,
    ):
        await ferried(folder, [film], first, name="begin")
        report = await ferried(folder, first, labels(server), name="there")
        assert (report.rows, report.losses) == ({"saved": 1}, {})
        await judge(server, found)
        again = await ferried(folder, first, labels(server), name="there", mode="append")
        assert again.rows == {"unchanged": 1}
        report = await ferried(folder, labels(server), second, name="back")
        assert (report.rows, report.losses) == ({"saved": 1}, {})
        report = await ferried(folder, second, labels(server, labelset="back"), name="there again")
        assert (report.rows, report.losses) == ({"saved": 1}, {})
        await judge(server, found, "back")


async def test_masks_and_polygons_with_holes_of_images_keep_their_pixels(sdk: Sdk, tmp_path: Path) -> None:
    found = plain("segmentation-bitmap")
    await there_and_back(sdk, tmp_path, found, "segmentation-bitmap", MediaKind.IMAGE)


@pytest.mark.parametrize("kind", SEQUENCES)
async def test_drawings_of_a_sequence_keep_frames_and_tracks(
    sdk: Sdk, tmp_path: Path, kind: MediaKind
) -> None:
    found = plain("image-vector-sequence")
    await there_and_back(sdk, tmp_path, found, "image-vector-sequence", kind)


@pytest.mark.parametrize("kind", SEQUENCES)
async def test_masks_of_a_sequence_keep_their_pixels_frame_by_frame(
    sdk: Sdk, tmp_path: Path, kind: MediaKind
) -> None:
    found = plain("image-segmentation-sequence")
    await there_and_back(sdk, tmp_path, found, "image-segmentation-sequence", kind)


async def test_frames_that_are_no_keyframes_are_a_named_loss_in_encord(sdk: Sdk, tmp_path: Path) -> None:
    found = plain("image-vector-sequence", keyframes=False)
    options: Json = {"task_type": "image-vector-sequence", "task_attributes": TASK_ATTRIBUTES}
    async with (
        encord([shown_as(found, MediaKind.VIDEO)], tmp_path) as project,
        served(sdk, [bare(found)], **options) as server,
    ):
        await ferried(tmp_path, [found], labels(server), name="begin")
        await judge(server, found)
        source = labels(server, sizes=True)
        report = await tried(tmp_path, source, project, name="refused")
        assert (report.exit_code, report.rows) == (3, {"rejected": 1})
        assert "keyframe" in report.rejects[0]["reason"]
        assert "interpolated, which Encord does not mark" in report.rejects[0]["reason"]
        report = await ferried(tmp_path, source, project, name="allowed", allow_losses=["keyframe"])
        assert (report.rows, report.losses) == ({"saved": 1}, {"keyframe": 4})


async def test_a_class_is_found_by_its_name_whatever_its_number_is(sdk: Sdk, tmp_path: Path) -> None:
    found = plain("vector")
    other = [{**one, "id": 100 - one["id"]} for one in TASK_ATTRIBUTES["categories"]]
    options: Json = {"task_type": "vector"}
    async with (
        served(sdk, [bare(found)], **options, task_attributes=TASK_ATTRIBUTES) as one,
        served(
            sdk, [bare(found)], **options, task_attributes={**TASK_ATTRIBUTES, "categories": other}
        ) as two,
    ):
        await ferried(tmp_path, [found], labels(one), name="begin")
        await ferried(tmp_path, labels(one), labels(two))
        first, second = await read(one), await read(two)
    for annotation in first["annotations"]:
        assert annotation["category_id"] in CATEGORIES.values()
        annotation["category_id"] = 100 - annotation["category_id"]
    assert first == second
