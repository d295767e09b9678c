"""Exports of Supervisely that somebody edited, or that came in part: a broken image rejects itself only."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.rows import LabelTask, Mode
from pipeline.errors import UsageError
from pipeline.ports import Plan
from tests.conformance.moving import keys_of, rejections_of
from tests.conformance.supervisely_export import (
    CAR,
    META,
    ROAD,
    annotation,
    bring,
    label,
    lay,
    load,
    read,
    ring,
    source_of,
    tasks_from,
)

pytestmark = pytest.mark.anyio


def export(folder: Path, files: dict[str, Any]) -> Path:
    """An export with one good image and others."""
    return lay(folder, {"d/ann/a.png.json": annotation(CAR), **files})


async def only_reason(folder: Path) -> str:
    """Why the one image `b.png` of an export is rejected, when `a.png` is not."""
    source = source_of(folder)
    [(key, reason)] = (await rejections_of(source)).items()
    assert key == "d/b.png"
    assert [one.key for one in await keys_of(source)] == ["d/a.png", "d/b.png"]
    for word in ("KeyError", "AttributeError", "unpack", "NoneType", "iterable", "unhashable"):
        assert word not in reason
    return reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (annotation(label("car", "rectangle", points=ring((1, 2)))), "label 0: 'points' of a rectangle"),
        (annotation(label("car", "rectangle", points=None, id=77)), "label 77: 'points' of a rectangle"),
        (annotation(CAR, label("car", "rectangle")), "label 1: 'points' of a rectangle: found {}"),
        (annotation(label("thing", "graph", nodes={"n": {"loc": []}})), "label 0: 'nodes' of a graph: found"),
        (annotation(None), "label 0: found None, expected a label"),  # type: ignore[arg-type]
        (annotation("car"), "label 0: found 'car', expected a label"),  # type: ignore[arg-type]
        (annotation() | {"objects": 5}, "'objects': found 5, expected a list of labels"),
        (annotation() | {"objects": {"a": {}}}, "'objects': found {'a': {}}, expected a list of labels"),
        (annotation({**CAR, "classTitle": 7}), "'classTitle': found 7, expected the name of a class"),
        (annotation({**CAR, "classTitle": ["car"]}), "'classTitle': found ['car'], expected the name of"),
        (annotation({**CAR, "classTitle": None}), "'classTitle': found None, expected the name of a class"),
        (annotation({**CAR, "tags": 5}), "tags: found 5, expected a list"),
        (annotation({**CAR, "tags": "red"}), "tags: found 'red', expected a list"),
        (annotation({**CAR, "tags": [{"name": 3}]}), "name of a tag: found 3, expected text"),
        (annotation({**CAR, "tags": [{"value": 3}]}), "name of a tag: found None, expected text"),
        (annotation({**CAR, "tags": [3]}), "tag: found 3, expected its name and value"),
        (annotation(tags=[{"name": ["seen"]}]), "tags of the image: name of a tag: found ['seen']"),
    ],
)  # fmt: skip
async def test_a_broken_label_rejects_its_image_and_says_what_was_found(
    content: Any,  # noqa: ANN401
    message: str,
    tmp_path: Path,
) -> None:
    reason = await only_reason(export(tmp_path / "export", {"d/ann/b.png.json": content}))
    assert message in reason
    assert "in Supervisely" not in reason


async def test_a_broken_image_of_an_export_that_is_edited_is_no_silence(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", {"d/ann/b.png.json": b"{"})
    tasks = [LabelTask(key, None) for key in await keys_of(source_of(folder))]
    done = await bring(folder, tasks, Plan("run", mode=Mode.EDIT))
    assert [one.key.key for one in done.packed] == ["d/a.png"]
    [problem] = done.rejected
    assert (problem.key.key, problem.stage) == ("d/b.png", "open")
    assert "d/ann/b.png.json is no JSON object" in problem.reason
    assert (folder / "d/ann/b.png.json").read_bytes() == b"{"


@pytest.mark.parametrize(
    "info", [{"hash": 5}, {"hash": ["x"]}, {"link": 5}, {"meta": 5}, {"width": "x", "height": {}}]
)
async def test_what_a_server_is_said_to_have_told_is_read_as_far_as_it_makes_sense(
    info: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    [row] = await read(export(tmp_path / "export", {"d/img_info/a.png.json": info}))
    [media] = row.media
    assert (media.sha256, media.url, media.width, media.height) == (None, None, 64, 48)
    assert row.metadata == {}


@pytest.mark.parametrize("size", [-80, 0, 1 << 31, 10**40])
async def test_a_size_that_no_image_has_is_not_known(size: int, tmp_path: Path) -> None:
    odd = annotation() | {"size": {"height": size, "width": 100}}
    [row] = await read(lay(tmp_path / "export", {"d/ann/a.png.json": odd}))
    assert row.size_at(0) is None


async def test_who_made_a_label_and_when_is_text(tmp_path: Path) -> None:
    odd = annotation({**CAR, "labelerLogin": 5, "createdAt": 7, "updatedAt": ["x"]})
    [row] = await read(lay(tmp_path / "export", {"d/ann/a.png.json": odd}))
    found = row.objects[0].occurrences[0].provenance
    assert (found.created_by, found.created_at, found.edited_at) == (None, None, None)


async def test_an_annotation_that_cannot_be_opened_rejects_its_image(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", {"d/img/b.png": b"x"})
    broken = folder / "d" / "ann" / "b.png.json"
    for target, message in (("gone.json", "No such file"), (broken.name, "Too many levels")):
        broken.symlink_to(target)
        reason = await only_reason(folder)
        assert f"{broken} cannot be read: {message}" in reason
        broken.unlink()
    os.mkfifo(broken)
    assert f"{broken} is no file" in await only_reason(folder)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (META | {"projectType": "videos"}, r"meta\.json is of a project of videos, expected one of images"),
        (META | {"tags": [{"name": 1, "value_type": "none"}]}, "name of a tag: found 1, expected text"),
        (META | {"tags": [{"value_type": "none"}]}, "name of a tag: found None, expected text"),
        (META | {"tags": ["seen"]}, "tag: found 'seen', expected its name"),
        (META | {"tags": 5}, "'tags': found 5, expected a list"),
        (META | {"classes": None}, "'classes': found None, expected a list"),
        ({"tags": []}, "'classes': found None, expected a list"),
        (META | {"classes": [None]}, "class: found None, expected its title and shape"),
        (META | {"classes": [{"title": "car"}]}, "class 'car' of shape None: both have to be text"),
    ],
)
async def test_a_meta_that_is_none_of_images_ends_the_job(meta: Any, message: str, tmp_path: Path) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=message) as refused:
        await read(export(tmp_path / "export", {"meta.json": meta}))
    assert "Error" not in str(refused.value)


async def test_a_key_that_is_there_twice_is_no_silent_loss_of_labels(tmp_path: Path) -> None:
    whole = json.dumps(annotation(CAR))
    twice = whole[:-1] + ', "objects": []}'
    reason = await only_reason(export(tmp_path / "export", {"d/ann/b.png.json": twice.encode()}))
    assert "b.png.json is no JSON object: the key 'objects' is there 2 times, expected once" in reason


async def test_what_is_written_in_an_unusual_way_is_read(tmp_path: Path) -> None:
    said = r'"a \u0022\u003a\" : é"'
    odd = json.dumps(annotation(CAR)).replace('"description": ""', f'"description" :\n {said}')
    [row] = await read(lay(tmp_path / "export", {"d/ann/a.png.json": odd.encode()}))
    assert row.objects[0].class_name == "car"
    assert row.raw is not None
    assert row.raw.data["annotation"]["description"] == 'a ":" : é'


async def test_a_name_that_is_no_text_rejects_its_image(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", {})
    odd = folder / "d" / "ann" / os.fsdecode(b"\xff.png.json")
    odd.write_text(json.dumps(annotation(CAR)))
    source = source_of(folder)
    [(key, reason)] = (await rejections_of(source)).items()
    assert (key, reason) == (r"d/\udcff.png", r"image d/\udcff.png: its name is no text in UTF-8; rename it")
    assert [one.key for one in await keys_of(source)] == [r"d/\udcff.png", "d/a.png"]


async def test_an_edit_mends_a_size_that_is_none_where_the_size_is_known(tmp_path: Path) -> None:
    odd = annotation(ROAD) | {"size": {"height": "48", "width": -1}}
    info = {"height": 48, "width": 64}
    folder = lay(tmp_path / "export", {"d/ann/a.png.json": odd, "d/img_info/a.png.json": info})
    [row] = await read(folder)
    moved = replace(row, objects=(replace(row.objects[0], class_name="thing"),))
    done = await bring(folder, tasks_from([moved]), Plan("run", mode=Mode.REPLACE))
    assert done.rejected == []
    written = load(folder, "d/ann/a.png.json")
    assert written["size"] == info
    assert written["objects"][0]["points"] == ROAD["points"]


async def test_a_name_that_is_too_long_to_be_written_rejects_its_image_alone(tmp_path: Path) -> None:
    long = "x" * 240 + ".png"
    folder = export(tmp_path / "export", {f"d/ann/{long}.json": annotation(CAR)})
    rows = [replace(row, objects=()) for row in await read(folder)]
    done = await bring(folder, tasks_from(rows), Plan("run", mode=Mode.REPLACE))
    assert [one.key.key for one in done.packed] == ["d/a.png"]
    assert "has 244 bytes, expected at most 230; rename it" in done.rejected[0].reason
    assert load(folder, f"d/ann/{long}.json") == annotation(CAR)


async def test_a_folder_in_the_place_of_an_annotation_rejects_its_image(tmp_path: Path) -> None:
    folder = export(tmp_path / "export", {"d/img/b.png": b"x", "d/ann/b.png.json/inside": b"x"})
    assert "d/ann/b.png.json is no file" in await only_reason(folder)
