"""The archive: what a user may rely on when labels rest in a folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from pipeline.core import codecs
from pipeline.core.geometry import Box, Geometry, Shape
from pipeline.core.labels import (
    Answer,
    Classification,
    LabelRow,
    Media,
    MediaKind,
    ObjectInstance,
    Occurrence,
    Raw,
    Sensor,
)
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.ontology import AttributeKind, ClassDef, Ontology
from pipeline.core.rows import Bundle, EditedRow, LabelTask, Mode, OpenRow, Place
from pipeline.errors import RowError, UsageError
from pipeline.platforms.archive import PLATFORM
from pipeline.platforms.archive.convert import read_key, read_row, write_row
from pipeline.platforms.archive.ontology import read_ontology, write_ontology
from pipeline.platforms.archive.settings import Settings
from pipeline.platforms.archive.source import ArchiveSource
from pipeline.platforms.archive.target import ArchiveTarget
from pipeline.ports import Plan, RowChoice
from tests.conformance.moving import (
    keys_of,
    packed,
    rejections_of,
    rows_of,
    tasks_from,
    tasks_of,
    tools,
    write,
)
from tests.strategies import rows_with_ontology

pytestmark = pytest.mark.anyio

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault."""


def a_row(number: int, *, label: float = 1.0) -> LabelRow:
    item = ObjectInstance(f"o{number}", "car", {0: Occurrence(Box(label, 2.5, 3.0, 4.0))})
    media = (Media(f"{number}.png", width=64, height=48),)
    return LabelRow(f"k{number}", f"{number}.png", media=media, objects=(item,), status="done")


def source_of(folder: Path, choice: RowChoice | None = None) -> ArchiveSource:
    return ArchiveSource(folder, choice or RowChoice())


async def an_archive(tmp_path: Path, count: int = 5) -> Path:
    folder = tmp_path / "backup"
    target = ArchiveTarget(folder, tmp_path / "scratch")
    await write(target, Plan("run1"), tasks_from([a_row(number) for number in range(count)]))
    return folder


# ---- lines ----------------------------------------------------------------------------------------------


@UNHURRIED
@given(rows_with_ontology())
def test_any_row_and_ontology_survive_and_give_the_same_bytes_again(
    found: tuple[LabelRow, Ontology],
) -> None:
    row, ontology = found
    line = write_row(row)
    assert b"\n" not in line
    assert read_row(line) == row
    assert write_row(read_row(line)) == line
    data = write_ontology(ontology)
    assert read_ontology(data) == ontology
    assert write_ontology(read_ontology(data)) == data


@UNHURRIED
@given(rows_with_ontology())
def test_a_first_pass_sees_the_classes_and_counts_of_a_row(found: tuple[LabelRow, Ontology]) -> None:
    row, _ = found
    key, status = read_key(write_row(row), 7)
    assert (key.key, key.ordinal, key.title, status) == (row.key, 7, row.title, row.status)
    assert key.pairs == frozenset((item.class_name, item.shape) for item in row.objects)
    assert key.labels == row.label_count


def test_integers_stay_integers_and_floats_stay_floats() -> None:
    data = {"a": 1, "b": 1.0, "c": 12345678901234567890123, "d": [0.1, -0.0], "e": None, "f": True}
    row = replace(a_row(1), raw=Raw("encord", data), objects=())
    back = read_row(write_row(row))
    assert back.raw is not None
    assert repr(dict(back.raw.data)) == repr(data)
    boxes = [Box(1, 2, 3, 4), Box(1.0, 2.0, 3.0, 4.0)]
    for box in boxes:
        item = ObjectInstance("o", "car", {0: Occurrence(box)})
        (found,) = read_row(write_row(replace(row, objects=(item,)))).objects
        assert repr(found.occurrences[0].geometry) == repr(box)


def test_lines_written_before_there_were_sensors_read_and_write_as_they_are() -> None:
    line = (
        b'{"key":"k","media_kind":"point_cloud","media":[{"name":"a.pcd"}],"objects":[{"id":"o","class":"car",'
        b'"occurrences":[{"frame":0,"geometry":{"shape":"point_3d","x":1,"y":2.0,"z":3}}]}],'
        b'"classifications":[{"id":"c","answer":{"attribute":"a","kind":"text","value":"x"}}]}'
    )
    row = read_row(line)
    assert (row.sensors, row.objects[0].sensor, row.classifications[0].sensor) == ((), None, None)
    assert row.media == (Media("a.pcd"),)
    assert write_row(row) == line


def test_sensors_and_the_points_of_clouds_survive() -> None:
    lidar = Sensor(
        "lidar",
        MediaKind.POINT_CLOUD_SEQUENCE,
        (Media("0", points=3), Media("1")),
        2,
        Raw("segments", {"task_type": "pointcloud-cuboid-sequence"}),
    )
    (item,) = a_row(1).objects
    item = replace(item, sensor="lidar")
    mark = Classification("c", Answer("rain", AttributeKind.BOOLEAN, value=True), sensor="lidar")
    row = replace(a_row(1), media_kind=MediaKind.MULTI_SENSOR, media=(), sensors=(lidar,))
    row = replace(row, objects=(item,), classifications=(mark,))
    assert read_row(write_row(row)) == row
    key, _ = read_key(write_row(row), 0)
    assert (key.path, key.labels) == (None, 2)


def test_rasters_and_encoded_masks_come_back_as_the_mask_of_their_pixels() -> None:
    array = np.zeros((5, 7), np.bool_)
    array[1:3, 2:6] = True
    mask = Mask.from_array(array)
    forms: list[Geometry] = [mask, Raster(array)]
    forms += [EncodedMask(5, 7, name, codecs.encode(name, mask)) for name in ("encord_rle", "coco_rle")]
    for geometry in forms:
        item = ObjectInstance("o", "car", {0: Occurrence(geometry)})
        (found,) = read_row(write_row(replace(a_row(1), objects=(item,)))).objects
        assert found.occurrences[0].geometry == mask


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objects": (ObjectInstance("o", "car", {0: Occurrence(Box(float("nan"), 0, 1, 1))}),)}, "nan"),
        ({"score": float("inf")}, "inf"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"metadata": {"a": {1: 2}}}, "not text"),
        ({"metadata": {"a": b"bytes"}}, "bytes"),
        (
            {
                "objects": (
                    ObjectInstance(
                        "o",
                        "car",
                        {0: Occurrence(Box(0, 0, 1, 1))},
                        (Answer("colour", AttributeKind.RADIO, "red"),),
                    ),
                )
            },
            "Option",
        ),
    ],
)
def test_what_json_cannot_hold_is_refused_by_name(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RowError, match=words):
        write_row(replace(a_row(1), **change))


# ---- folders --------------------------------------------------------------------------------------------


async def test_archive_to_rows_to_archive_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path)
    again = tmp_path / "again"
    source = source_of(folder)
    plan = Plan("run2", await source.ontology())
    await write(ArchiveTarget(again, tmp_path / "scratch2"), plan, tasks_from(await rows_of(source)))
    for name in ("rows.jsonl", "ontology.json", "archive.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(path.name for path in again.iterdir()) == ["archive.json", "ontology.json", "rows.jsonl"]


async def test_a_malformed_line_rejects_its_row_by_number_and_the_others_go_on(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path)
    lines = (folder / "rows.jsonl").read_bytes().splitlines(keepends=True)
    lines[1] = b'{"key":"k1","title":"1.png","objects":[{"id":"o"}]}\n'
    lines[3] = b"{nonsense\n"
    (folder / "rows.jsonl").write_bytes(b"".join(lines))
    source = source_of(folder)
    assert [key.key for key in await keys_of(source)] == ["k0", "k2", "k4"]
    rejected = await rejections_of(source)
    assert list(rejected) == ["k1", "line 4"]
    assert "rows.jsonl line 2" in rejected["k1"]
    assert "`class`" in rejected["k1"]
    assert "rows.jsonl line 4" in rejected["line 4"]
    good = [task.row.key for task in await tasks_of(source) if isinstance(task, LabelTask) and task.row]
    assert good == ["k0", "k2", "k4"]


@pytest.mark.parametrize("cut", ["inside a line", "after a line", "empty"])
async def test_a_truncated_archive_is_seen_before_any_write(tmp_path: Path, cut: str) -> None:
    folder = await an_archive(tmp_path)
    data = (folder / "rows.jsonl").read_bytes()
    keep = {"inside a line": len(data) - 9, "after a line": data.rindex(b"\n", 0, -1) + 1, "empty": 0}[cut]
    (folder / "rows.jsonl").write_bytes(data[:keep])
    with pytest.raises(UsageError, match="truncated"):
        await keys_of(source_of(folder))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "not finished"),
        (b"{", "not the header"),
        (b'{"format":"zip","version":1}', "format 'zip'"),
        (b'{"format":"labelferry-archive","version":2}', "version 2"),
    ],
)
async def test_what_is_not_a_finished_archive_of_this_version_is_refused(
    tmp_path: Path, header: bytes | None, words: str
) -> None:
    folder = await an_archive(tmp_path)
    (folder / "archive.json").unlink()
    if header is not None:
        (folder / "archive.json").write_bytes(header)
    with pytest.raises(UsageError, match=words):
        await keys_of(source_of(folder))
    with pytest.raises(UsageError, match=words):
        await source_of(folder).ontology()


async def test_two_rows_with_one_key_are_refused_before_any_write(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path, 2)
    lines = (folder / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "rows.jsonl").write_bytes(lines[0] + lines[0])
    with pytest.raises(UsageError, match="line 2: a row with the key 'k0'"):
        await keys_of(source_of(folder))


async def test_rows_are_chosen_by_title_id_status_and_number(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path)
    choices = {
        RowChoice(titles=("1.png", "3.png")): ["k1", "k3"],
        RowChoice(ids=("k2",)): ["k2"],
        RowChoice(status=("open",)): [],
        RowChoice(status=("done",), limit=2): ["k0", "k1"],
        RowChoice(limit=0): [],
    }
    for choice, expected in choices.items():
        source = source_of(folder, choice)
        assert [key.key for key in await keys_of(source)] == expected
        assert [row.key for row in await rows_of(source)] == expected


async def test_settled_rows_are_not_read_again(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path)

    async def wanted(keys: object) -> set[str]:
        assert keys
        return {"k3"}

    found = [task async for task in source_of(folder).tasks(wanted)]
    assert [task.key for task in found] == [(await keys_of(source_of(folder)))[3]]


# ---- writing ----------------------------------------------------------------------------------------------


async def test_rows_come_out_in_source_order_whatever_the_order_of_bundles(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    target = ArchiveTarget(folder, tmp_path / "scratch")
    await target.prepare(Plan("run1"), None)
    rows = await packed(target, tasks_from([a_row(number) for number in range(6)]))
    for bundle in ((rows[4], rows[1]), (rows[5],), (rows[0], rows[3], rows[2])):
        await target.save(Bundle.of(bundle))
    await target.finish(complete=True)
    assert [row.key for row in await rows_of(source_of(folder))] == [f"k{n}" for n in range(6)]


async def test_a_row_sent_again_in_another_bundle_is_there_once_as_last_sent(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    target = ArchiveTarget(folder, tmp_path / "scratch")
    await target.prepare(Plan("run1"), None)
    first = await packed(target, tasks_from([a_row(number) for number in range(3)]))
    await target.save(Bundle.of(first))
    await target.finish(complete=False)
    assert not (folder / "rows.jsonl").exists()

    resumed = ArchiveTarget(folder, tmp_path / "scratch")
    await resumed.prepare(Plan("run1"), None)
    again = await packed(resumed, tasks_from([a_row(number, label=9.0) for number in range(4)]))
    await resumed.save(Bundle.of(again[2:]))
    await resumed.finish(complete=True)
    rows = await rows_of(source_of(folder))
    assert rows == [a_row(0), a_row(1), a_row(2, label=9.0), a_row(3, label=9.0)]


async def test_finishing_again_after_a_crash_changes_nothing(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path)
    before = (folder / "rows.jsonl").read_bytes()
    resumed = ArchiveTarget(folder, tmp_path / "scratch")
    await resumed.prepare(Plan("run1"), None)
    await resumed.finish(complete=True)
    assert (folder / "rows.jsonl").read_bytes() == before
    assert not list(folder.glob(".rows*"))


async def test_an_archive_that_is_there_needs_a_mode(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path)
    target = ArchiveTarget(folder, tmp_path / "scratch2")
    with pytest.raises(UsageError, match=r"replace.*append.*skip-existing"):
        await target.prepare(Plan("run2"), None)
    await write(target, Plan("run2", mode=Mode.REPLACE), tasks_from([a_row(9)]))
    assert [row.key for row in await rows_of(source_of(folder))] == ["k9"]


async def test_skip_existing_and_append_keep_what_is_there(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path, 3)
    tasks = tasks_from([a_row(7), a_row(1, label=5.0)])
    target = ArchiveTarget(folder, tmp_path / "scratch2")
    await target.prepare(Plan("run2", mode=Mode.SKIP), None)
    opened = await target.open(tasks, [Place(task.key.key) for task in tasks])
    assert [row.existing for row in opened if isinstance(row, OpenRow)] == [None, a_row(1)]
    await target.save(Bundle.of((await packed(target, tasks))[:1]))
    await target.finish(complete=True)
    assert [row.key for row in await rows_of(source_of(folder))] == ["k0", "k1", "k2", "k7"]

    new = replace(a_row(5).objects[0], id="new")
    more = replace(a_row(1, label=5.0), objects=(*a_row(1, label=5.0).objects, new))
    target = ArchiveTarget(folder, tmp_path / "scratch3")
    await target.prepare(Plan("run3", mode=Mode.APPEND), None)
    await target.save(Bundle.of(await packed(target, tasks_from([more]), append=True)))
    await target.finish(complete=True)
    rows = await rows_of(source_of(folder))
    assert [row.key for row in rows] == ["k0", "k1", "k2", "k7"]
    assert rows[1] == replace(a_row(1), objects=(*a_row(1).objects, new))


async def test_editing_in_place_writes_only_what_changed(tmp_path: Path) -> None:
    folder = await an_archive(tmp_path, 3)
    keys = await keys_of(source_of(folder))
    target = ArchiveTarget(folder, tmp_path / "scratch2")
    await target.prepare(Plan("run2", mode=Mode.EDIT), None)
    rows = await packed(target, [LabelTask(key, None) for key in keys])
    assert [row.unchanged for row in rows] == [True, True, True]
    changed = target.pack(EditedRow(keys[1], Place("k1"), a_row(1, label=8.0), a_row(1)))
    await target.save(Bundle.of([changed]))
    await target.finish(complete=True)
    assert await rows_of(source_of(folder)) == [a_row(0), a_row(1, label=8.0), a_row(2)]


async def test_the_ontology_has_the_planned_classes_and_those_met(tmp_path: Path) -> None:
    planned = Ontology((ClassDef("tree", Shape.POLYGON, colour="#00ff00"),))
    folder = tmp_path / "backup"
    target = ArchiveTarget(folder, tmp_path / "scratch")
    await write(target, Plan("run1", planned), tasks_from([a_row(1)]))
    ontology = await source_of(folder).ontology()
    assert ontology is not None
    assert ontology.classes == (*planned.classes, ClassDef("car", Shape.BOX))


async def test_a_dry_run_leaves_no_trace(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    target = ArchiveTarget(folder, tmp_path / "scratch")
    await target.prepare(Plan("run1", dry_run=True), None)
    await packed(target, tasks_from([a_row(1)]))
    await target.finish(complete=True)
    assert not folder.exists()


# ---- settings and checks ----------------------------------------------------------------------------------


async def test_the_address_is_the_folder_and_unknown_settings_are_errors(tmp_path: Path) -> None:
    assert PLATFORM.address("backup/", "") == {"path": "backup/"}
    assert PLATFORM.address("back", "up") == {"path": "back#up"}
    with pytest.raises(ValidationError):
        Settings.model_validate({"path": "x", "pth": "y"})
    folder = await an_archive(tmp_path)
    for path, ok in ((folder, True), (tmp_path / "new", True)):
        async with PLATFORM.connect(Settings(path=path), tools(tmp_path)) as adapter:
            assert [check.ok async for check in adapter.checks()] == [ok] * (2 if path == folder else 1)
    (folder / "ontology.json").write_text(json.dumps({"classes": 1}))
    async with PLATFORM.connect(Settings(path=folder), tools(tmp_path)) as adapter:
        assert [check.ok async for check in adapter.checks()] == [True, False]
