"""Exports of Supervisely projects on disk, read and written."""

from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.geometry import Box, Point, Polygon, Shape
from pipeline.core.rows import LabelTask, Mode, RowKey
from pipeline.errors import UsageError
from pipeline.ports import Plan, RowChoice
from pipeline.sandbox.drawn import drawn_ontology, drawn_rows
from tests.conformance.moving import keys_of, rejections_of, rows_of, tasks_of
from tests.conformance.saying import invented, unsaid
from tests.conformance.supervisely_export import (
    CAR,
    META,
    POINT,
    ROAD,
    SIZE,
    annotation,
    bring,
    copied,
    files_in,
    label,
    lay,
    load,
    picture,
    read,
    ring,
    source_of,
    tasks_from,
)

pytestmark = pytest.mark.anyio

HASH = b64encode(bytes(range(32))).decode()
PLAN = Plan("run", drawn_ontology())


def export(folder: Path) -> Path:
    """Two datasets, one of them nested, with and without pictures."""
    return lay(
        folder,
        {
            "day/ann/a.png.json": annotation(CAR, ROAD),
            "day/img/a.png": picture(),
            "day/ann/b.png.json": annotation(tags=[{"name": "seen"}]),
            "day/datasets/rain/ann/a.png.json": annotation(POINT),
            "day/datasets/rain/meta/a.png.json": {"camera": 3},
            "day/datasets/rain/img_info/a.png.json": {"hash": HASH, "meta": {"lens": "x"}, "width": 64},
        },
    )


# ---- reading ----------------------------------------------------------------------------------------------


async def test_images_of_all_datasets_are_rows(tmp_path: Path) -> None:
    source = source_of(export(tmp_path / "export"))
    first, second, nested = await rows_of(source)
    assert [row.key for row in (first, second, nested)] == ["day/a.png", "day/b.png", "day/rain/a.png"]
    assert [row.title for row in (first, second, nested)] == ["a.png", "b.png", "a.png"]
    assert all(row.size_at(0) == SIZE for row in (first, second, nested))
    assert [row.media[0].path for row in (first, second, nested)] == ["day/img/a.png", None, None]
    assert nested.metadata == {"camera": 3, "lens": "x"}
    assert [group.objects for group in first.groups] == [tuple(item.id for item in first.objects)]
    keys = await keys_of(source)
    assert keys[0] == RowKey(
        "day/a.png", 0, "a.png", "day/a.png", "day/a.png",
        pairs=frozenset({("car", Shape.BOX), ("road", Shape.POLYGON)}), labels=2,
    )  # fmt: skip
    assert [task.key for task in await tasks_of(source)] == keys
    ontology = await source.ontology()
    assert ontology is not None
    assert [(item.name, item.shape) for item in ontology.classes] == [
        ("car", Shape.BOX), ("road", Shape.POLYGON), ("thing", Shape.ANY),
    ]  # fmt: skip


async def test_coordinates_on_disk_are_those_of_whole_pixels(tmp_path: Path) -> None:
    first, _, nested = await read(export(tmp_path / "export"))
    triangle = ((0.5, 0.5), (63.5, 0.5), (63.5, 47.5))
    assert first.objects[0].occurrences[0].geometry == Box(1, 2, 20, 29)
    assert first.objects[1].occurrences[0].geometry == Polygon(((triangle,),))
    assert nested.objects[0].occurrences[0].geometry == Point(5.75, 6.5)


async def test_old_exports_name_annotations_without_the_ending(tmp_path: Path) -> None:
    files = {
        "d/img/a.png": picture(), "d/ann/a.json": annotation(CAR), "d/img/b.jpg": b"",
        "d/img/c.png": picture(), "d/img/c.jpg": picture(), "d/ann/c.json": annotation(),
        "d/ann/lonely.json": annotation(POINT),
    }  # fmt: skip
    source = source_of(lay(tmp_path / "export", files))
    found = {task.key.title: task for task in await tasks_of(source)}
    assert list(found) == ["a.png", "b.jpg", "c.jpg", "c.png", "lonely"]
    rows = {name: task.row for name, task in found.items()}
    assert [len(rows[name].objects) for name in ("a.png", "b.jpg", "lonely")] == [1, 0, 1]  # type: ignore[union-attr]
    reasons = await rejections_of(source)
    assert set(reasons) == {"d/c.jpg", "d/c.png"}
    assert "annotation c.json could be of 2 pictures" in reasons["d/c.png"]


async def test_one_dataset_may_be_chosen_and_rows_of_it(tmp_path: Path) -> None:
    folder = export(tmp_path / "export")
    assert [row.key for row in await read(folder, dataset="day/rain")] == ["day/rain/a.png"]
    assert [row.key for row in await read(folder, dataset="day")] == ["day/a.png", "day/b.png"]

    async def chosen(**choice: Any) -> list[str]:  # noqa: ANN401
        return [row.key for row in await rows_of(source_of(folder, RowChoice(**choice)))]

    assert await chosen(titles=("a.png",)) == ["day/a.png", "day/rain/a.png"]
    assert await chosen(ids=("day/b.png",)) == ["day/b.png"]
    assert await chosen(limit=1) == ["day/a.png"]
    with pytest.raises(UsageError, match="images of an export have no status"):
        await chosen(status=("done",))
    with pytest.raises(UsageError, match=r"has no dataset 'night' \(its datasets: day, day/rain\)"):
        await read(folder, dataset="night")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "no JSON object"),
        (b"[]", "no JSON object"),
        (annotation({"classTitle": "car", "geometryType": "rectangle"}), "is no annotation: label 0"),
        (annotation(label("car", "rectangle", points=7)), "is no annotation: label 0"),
        (annotation(label("road", "polygon", points=ring((1, 2), (1, 2, 3), (1, 1)))), "is no annotation"),
    ],
)
async def test_an_annotation_that_is_none_rejects_its_image_and_names_the_file(
    content: Any,  # noqa: ANN401
    message: str,
    tmp_path: Path,
) -> None:
    folder = export(tmp_path / "export")
    lay(folder, {"day/ann/b.png.json": content})
    source = source_of(folder)
    [(key, reason)] = (await rejections_of(source)).items()
    assert key == "day/b.png"
    assert "day/ann/b.png.json" in reason
    assert message in reason
    assert [key.key for key in await keys_of(source)] == ["day/a.png", "day/b.png", "day/rain/a.png"]


async def test_what_is_no_export_is_told_before_any_write(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no export of a project at .*nowhere: it has no meta.json"):
        await read(tmp_path / "nowhere")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "meta.json").write_text("{")
    with pytest.raises(UsageError, match=r"the export cannot be read: .*meta.json is no JSON object"):
        await read(tmp_path / "broken")
    with pytest.raises(UsageError, match=r"it is in that of .*; name that, and set `dataset: day`"):
        await read(export(tmp_path / "export") / "day")


# ---- writing ----------------------------------------------------------------------------------------------


async def test_drawn_rows_arrive_whole(tmp_path: Path) -> None:
    rows = [replace(row, title=f"row {n}.png") for n, row in enumerate(drawn_rows(5))]
    done = await bring(tmp_path / "export", tasks_from(rows), PLAN)
    assert done.rejected == []
    back = {row.title: row for row in await read(tmp_path / "export")}
    for row, packed in zip(rows, done.packed, strict=True):
        lost = {loss.object for loss in packed.losses}
        missing = unsaid(row, back[row.title], row_details=False)
        assert {one.object for one in missing} <= lost
        assert invented(row, back[row.title]) <= 0
    assert files_in(tmp_path / "export") == sorted(
        ["meta.json", *(f"dataset/ann/row {n}.png.json" for n in range(5))]
    )
    assert (tmp_path / "export" / "dataset" / "img").is_dir(), "the vendor's tools expect it"


async def test_an_export_is_copied_key_by_key(tmp_path: Path) -> None:
    source, target = export(tmp_path / "a"), tmp_path / "b"
    done = await copied(source, target)
    assert (done.rejected, [row.losses for row in done.packed]) == ([], [()] * 3)
    for name in ("day/ann/b.png.json", "day/datasets/rain/ann/a.png.json"):
        assert load(target, name) == load(source, name)
    first = load(target, "day/ann/a.png.json")
    keys = {one.pop("instance") for one in first["objects"]}
    assert len(keys) == 1
    assert [one["points"] for one in first["objects"]] == [CAR["points"], ROAD["points"]]
    assert load(target, "day/datasets/rain/meta/a.png.json") == {"camera": 3, "lens": "x"}
    assert load(target, "day/datasets/rain/img_info/a.png.json")["hash"] == HASH
    titles = [item["title"] for item in load(target, "meta.json")["classes"]]
    assert titles == [item["title"] for item in META["classes"]]
    assert "day/img/a.png" not in files_in(target)


async def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    source, target = export(tmp_path / "a"), tmp_path / "b"
    await copied(source, target)
    before = {name: (target / name).read_bytes() for name in files_in(target)}
    again = await copied(source, target, Plan("other", mode=Mode.REPLACE))
    assert all(row.unchanged for row in again.packed)
    assert {name: (target / name).read_bytes() for name in files_in(target)} == before


async def test_a_row_edited_in_place_keeps_what_nobody_knows(tmp_path: Path) -> None:
    folder = export(tmp_path / "export")
    rows = await read(folder)
    tasks = [replace(task, row=None) for task in tasks_from(rows)]
    before = (folder / "day/ann/a.png.json").read_bytes()
    plan = Plan("run", mode=Mode.EDIT, ontology=await source_of(folder).ontology())
    same = await bring(folder, tasks, plan)
    assert all(row.unchanged for row in same.packed)
    assert (folder / "day/ann/a.png.json").read_bytes() == before
    moved = replace(rows[0], objects=rows[0].objects[::-1])
    other = replace(rows[0], objects=(rows[0].objects[0],))
    for new in (moved, other):
        task = LabelTask(RowKey("day/a.png", 0, "a.png", external_id="day/a.png"), new)
        done = await bring(folder, [task], Plan("next", mode=Mode.REPLACE), by="external_id")
        assert done.rejected == []
    kept = load(folder, "day/ann/a.png.json")
    assert [one["id"] for one in kept["objects"]] == [900]
    # A group that is not what it was has a key of its own.
    assert kept["objects"][0].pop("instance") != CAR["instance"]
    assert kept["objects"][0] == {key: value for key, value in CAR.items() if key != "instance"}
    assert load(folder, "meta.json") == META


async def test_a_picture_without_an_annotation_tells_its_size_itself(tmp_path: Path) -> None:
    none = annotation() | {"size": {"height": None, "width": None}}
    files = {"d/img/a.png": picture(), "d/img/b.png": picture(), "d/img/c.png": b"x"}
    more = {"d/ann/b.png.json": none, "d/ann/d.png.json": annotation()}
    folder = lay(tmp_path / "export", files | more)
    rows = await read(folder)
    assert [(row.title, row.size_at(0)) for row in rows] == [
        ("a.png", SIZE), ("b.png", SIZE), ("c.png", None), ("d.png", SIZE),
    ]  # fmt: skip
    tasks = [LabelTask(key, None) for key in await keys_of(source_of(folder))]
    done = await bring(folder, tasks, Plan("run", mode=Mode.EDIT))
    assert [one.key.title for one in done.packed] == ["a.png", "b.png", "d.png"]
    assert load(folder, "d/ann/a.png.json")["size"] == {"height": SIZE[0], "width": SIZE[1]}
    assert "nobody says how large its image is" in done.rejected[0].reason
