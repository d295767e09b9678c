"""Labels of Supervisely that are carried along without being drawn are bound and unbound with the others."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.operations import Bind, Drop, Unbind
from pipeline.core.rows import PackedRow
from pipeline.platforms.archive.convert import read_row as read_archived
from pipeline.platforms.archive.convert import write_row as write_archived
from pipeline.platforms.supervisely.convert import Opened, Project, pack_row, project_of, read_row
from pipeline.platforms.supervisely.wire import Image, Json
from tests.conformance.supervisely_labels import in_place, kept, opened, sent, with_ids
from tests.conformance.supervisely_project import WORKSPACE, local

HERE = Image(id=1, name="a.png", dataset_id=7, dataset="day", width=64, height=48)
ELSEWHERE = Image(id=2, name="a.png", dataset_id=8, dataset="day", width=64, height=48)
FACES = [[0, 1, 2, 3], [1, 4, 5, 2], [3, 2, 5, 6]]
CORNERS = [[1, 1], [9, 1], [9, 9], [1, 9], [12, 3], [12, 11], [4, 11]]
META = {
    "classes": [
        {"title": "car", "shape": "rectangle"},
        {"title": "old crate", "shape": "cuboid"},
        {"title": "old box", "shape": "cuboid"},
    ],
    "tags": [],
}


def cuboid(number: int, name: str, key: object = None) -> Json:
    """A label that the label model does not draw."""
    label: Json = {
        "id": number,
        "classTitle": name,
        "description": "",
        "tags": [],
        "geometryType": "cuboid",
        "points": CORNERS,
        "faces": FACES,
        "nnCreated": False,
        "nnUpdated": False,
    }
    return label if key is None else {**label, "instance": key}


def car(number: int, key: object = None) -> Json:
    label: Json = {
        "id": number,
        "classTitle": "car",
        "description": "",
        "tags": [],
        "geometryType": "rectangle",
        "points": {"exterior": [[number, 2], [number + 4, 9]], "interior": []},
        "nnCreated": False,
        "nnUpdated": False,
    }
    return label if key is None else {**label, "instance": key}


PROJECT: Project = project_of(with_ids(META))
SAID: Json = {
    "description": "",
    "imageId": 1,
    "tags": [],
    "size": {"height": 48, "width": 64},
    "objects": [
        car(1, "1"), car(2, "1"), cuboid(3, "old crate", "1"), cuboid(4, "old box", "1"),
        cuboid(5, "old crate", 5), cuboid(6, "old crate", 5), cuboid(7, "old box", 5),
    ],
}  # fmt: skip
"""One group of all classes, and one of nothing that is drawn."""
ROW = read_row(HERE, SAID, PROJECT).row

Way = Callable[[LabelRow], PackedRow]


def edited(row: LabelRow) -> PackedRow:
    return pack_row(replace(in_place(HERE, SAID, PROJECT, {}), row=row), PROJECT)


def copied(row: LabelRow) -> PackedRow:
    return pack_row(opened(row, PROJECT, ELSEWHERE), PROJECT)


def restored(row: LabelRow) -> PackedRow:
    """Back from an archive to the image that it was of."""
    back = read_archived(write_archived(row))
    return pack_row(opened(back, PROJECT, HERE, Opened(HERE, SAID)), PROJECT)


def copied_from_an_archive(row: LabelRow) -> PackedRow:
    return copied(read_archived(write_archived(row)))


EVERY = pytest.mark.parametrize("way", [edited, copied, restored, copied_from_an_archive])


def partition(packed: PackedRow) -> list[list[int]]:
    """Which labels are together, by their number in the annotation."""
    found: dict[str, list[int]] = {}
    for number, label in enumerate(sent(packed)["objects"], 1):
        if "instance" in label:
            found.setdefault(str(label["instance"]), []).append(number)
    return sorted(found.values())


@EVERY
def test_what_is_not_drawn_stays_bound_where_nothing_is_asked(way: Way) -> None:
    assert partition(way(ROW)) == [[1, 2, 3, 4], [5, 6, 7]]


@EVERY
def test_unbind_all_frees_every_label(way: Way) -> None:
    packed = way(Unbind(all=True)(ROW))
    assert partition(packed) == []
    assert len(sent(packed)["objects"]) == 7
    assert packed.losses == ()


@EVERY
def test_unbind_by_class_frees_what_is_not_drawn_of_that_class_only(way: Way) -> None:
    assert partition(way(Unbind(classes=("old crate",))(ROW))) == [[1, 2, 4], [7]]
    assert partition(way(Unbind(classes=("old crate", "old box"))(ROW))) == [[1, 2]]
    one_by_one = Unbind(classes=("old box",))(Unbind(classes=("old crate",))(ROW))
    assert partition(way(one_by_one)) == [[1, 2]]
    assert partition(way(Unbind(classes=("car",))(ROW))) == [[3, 4], [5, 6, 7]]
    assert partition(way(Unbind(classes=("car",))(Unbind(all=True)(ROW)))) == []


@EVERY
def test_what_is_bound_anew_leaves_what_is_not_drawn_as_it_is(way: Way) -> None:
    assert partition(way(Bind(by="row")(ROW))) == [[1, 2, 3, 4], [5, 6, 7]]
    assert partition(way(Bind(by="row")(Unbind(all=True)(ROW)))) == [[1, 2]]


@EVERY
def test_what_is_not_drawn_stays_together_where_the_others_are_dropped(way: Way) -> None:
    assert partition(way(Drop(classes=("car",))(ROW))) == [[1, 2], [3, 4, 5]]


@EVERY
def test_a_function_that_discards_a_group_frees_what_is_not_drawn_in_it(way: Way) -> None:
    assert partition(way(replace(ROW, groups=()))) == [[5, 6, 7]]


def test_a_group_has_no_key_that_is_the_id_of_a_label_that_left_it() -> None:
    labels = sent(edited(Unbind(classes=("car",))(ROW)))["objects"]
    assert [one.get("instance") for one in labels[:2]] == [None, None]
    assert labels[2]["instance"] == labels[3]["instance"] != "1"
    assert [one["instance"] for one in labels[4:]] == [5, 5, 5], "nobody left it"
    labels = sent(edited(Unbind(classes=("old crate",))(ROW)))["objects"]
    assert labels[0]["instance"] == labels[1]["instance"] == labels[3]["instance"] != "1"
    assert labels[6]["instance"] != 5


def test_only_the_groups_change_where_labels_are_unbound_in_place() -> None:
    packed = edited(Unbind(all=True)(ROW))
    bare = [{key: value for key, value in one.items() if key != "instance"} for one in SAID["objects"]]
    assert sent(packed) == {**SAID, "objects": bare}
    assert not packed.unchanged


def test_a_row_that_is_unbound_already_is_not_written_again() -> None:
    there = kept(edited(Unbind(all=True)(ROW)), HERE)
    row = read_row(HERE, there.annotation, PROJECT).row
    again = replace(in_place(HERE, there.annotation or {}, PROJECT, {}), row=Unbind(all=True)(row))
    assert pack_row(again, PROJECT).unchanged


def test_appending_frees_nothing_that_is_there() -> None:
    there = Opened(ELSEWHERE, {**SAID, "objects": [cuboid(8, "old box", 8), cuboid(9, "old crate", 8)]})
    packed = pack_row(opened(Unbind(all=True)(ROW), PROJECT, ELSEWHERE, there, append=True), PROJECT)
    labels = sent(packed)["objects"]
    assert [one["classTitle"] for one in labels if "instance" in one] == ["old box", "old crate"]
    assert [one["instance"] for one in labels if "instance" in one] == [8, 8]


def test_a_row_that_carries_nothing_is_the_same_instance_after_unbind() -> None:
    row = read_row(HERE, {**SAID, "objects": [car(1), car(2)]}, PROJECT).row
    assert Unbind(all=True)(row) is row
    assert Unbind(classes=("old crate",))(row) is row
    once = Unbind(all=True)(ROW)
    assert Unbind(all=True)(once) is once
    assert Unbind(classes=("car",))(once) is once


# ---- jobs ---------------------------------------------------------------------------------------------


def plain(title: str) -> LabelRow:
    item = ObjectInstance("o", "car", {0: Occurrence(Box(1.0, 2.0, 3.0, 4.0))})
    return LabelRow(title, title, media=(Media(title, width=64, height=48),), objects=(item,))


def bound(annotation: Mapping[str, Any]) -> int:
    return sum("instance" in one for one in annotation["objects"])


@pytest.mark.anyio
async def test_jobs_unbind_all_labels_of_a_project_in_a_copy_and_in_place(tmp_path: Path) -> None:
    ontology = Ontology((ClassDef("car", Shape.BOX),))
    free = [{"unbind": {"all": True}}]
    copy = {"project": "copy", "workspace": WORKSPACE, "dataset": None, "create": True}
    async with local(tmp_path, [plain("a.png"), plain("b.png")], ontology=ontology, meta=META) as server:
        image = (await server.images())["dataset/a.png"]
        given = [{"imageId": image["id"], "annotation": {**SAID, "imageId": image["id"]}}]
        body = {"datasetId": image["datasetId"], "skipBoundsValidation": False, "annotations": given}
        await server.call("annotations.bulk.add", body)
        copying = await server.run(server.target(), name="copy", target=copy, media="copy", operations=free)
        other = (await server.annotations((await server.projects())["copy"]))["dataset/a.png"]
        before = (await server.annotations())["dataset/a.png"]
        editing = await server.run(None, name="in place", operations=free)
        after = (await server.annotations())["dataset/a.png"]
        again = await server.run(None, name="again", operations=free)
    assert (copying.rows, copying.losses) == ({"saved": 2}, {})
    assert editing.rows == {"saved": 1, "unchanged": 1}
    assert again.rows == {"unchanged": 2}
    assert [(len(one["objects"]), bound(one)) for one in (before, other, after)] == [(7, 7), (7, 0), (7, 0)]
