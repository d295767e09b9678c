"""What an annotation of Supervisely says stays as it was, or goes because a job says so and is named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.labels import LabelRow
from pipeline.core.losses import LossKind
from pipeline.core.operations import Bind, Drop, Keep, Rename
from pipeline.core.rows import PackedRow
from pipeline.platforms.archive.convert import read_row as read_archived
from pipeline.platforms.archive.convert import write_row as write_archived
from pipeline.platforms.supervisely.convert import (
    Opened,
    Project,
    extra_figures,
    pack_row,
    project_of,
    read_row,
)
from pipeline.platforms.supervisely.wire import Image, Json
from tests.conformance.supervisely_labels import in_place, kept, opened, sent, with_ids

HERE = Image(id=1, name="a.png", dataset_id=7, dataset="day", width=64, height=48)
ELSEWHERE = Image(id=2, name="a.png", dataset_id=8, dataset="day", width=64, height=48)
PROJECT: Project = project_of(
    with_ids(
        {
            "classes": [
                {"title": "car", "shape": "rectangle"},
                {"title": "thing", "shape": "any"},
                {"title": "crate", "shape": "cuboid"},
                {"title": "box", "shape": "cuboid"},
            ],
            "tags": [
                {"name": "seen", "value_type": "none"},
                {"name": "note", "value_type": "any_string"},
                {"name": "size", "value_type": "any_number"},
                {"name": "parked", "value_type": "none", "classes": ["car"]},
            ],
        }
    )
)
RING = [[0.5, 0.5], [9.5, 0.5], [9.5, 9.5]]


def label(number: int, name: str, kind: str, *tags: Json, **geometry: Any) -> Json:  # noqa: ANN401 - JSON
    said = {"id": number, "classTitle": name, "description": "", "geometryType": kind, "tags": list(tags)}
    return {**said, "nnCreated": False, "nnUpdated": False, **geometry}


def car(number: int, *tags: Json) -> Json:
    return label(number, "car", "rectangle", *tags, points={"exterior": [[1, 2], [11, 7]], "interior": []})


def crate(number: int, name: str = "crate", **more: Any) -> Json:  # noqa: ANN401 - JSON
    return label(number, name, "cuboid", points=[[1, 1]] * 7, faces=[[0, 1, 2, 3]], **more)


def annotation(*labels: Json, **more: Any) -> Json:  # noqa: ANN401 - JSON
    said: Json = {"description": "", "tags": [], "size": {"height": 48, "width": 64}, "objects": list(labels)}
    return {**said, **more}


def row_of(said: Json) -> LabelRow:
    return read_row(HERE, said, PROJECT).row


# ---- ways to write a row ---------------------------------------------------------------------------------

Way = Callable[[Json, LabelRow], PackedRow]


def edited(said: Json, row: LabelRow) -> PackedRow:
    return pack_row(replace(in_place(HERE, said, PROJECT, {}), row=row), PROJECT)


def copied(_: Json, row: LabelRow) -> PackedRow:
    return pack_row(opened(row, PROJECT, ELSEWHERE), PROJECT)


def copied_from_an_archive(said: Json, row: LabelRow) -> PackedRow:
    return copied(said, read_archived(write_archived(row)))


EVERY = pytest.mark.parametrize("way", [edited, copied, copied_from_an_archive])


def names(packed: PackedRow) -> list[str]:
    return [one["classTitle"] for one in sent(packed)["objects"]]


def tags_of(said: Json) -> list[tuple[str, object]]:
    return [(tag["name"], tag.get("value")) for tag in said["tags"]]


# ---- tags ------------------------------------------------------------------------------------------------

SEEN: Json = {"name": "seen", "value": None, "id": 3}


@EVERY
def test_a_tag_without_a_value_is_there_as_often_as_it_was(way: Way) -> None:
    said = annotation(car(5, SEEN, SEEN, SEEN), car(6, SEEN), tags=[SEEN, SEEN])
    packed = way(said, row_of(said))
    first, second = sent(packed)["objects"]
    assert [tags_of(one) for one in (first, second)] == [[("seen", None)] * 3, [("seen", None)]]
    assert tags_of(sent(packed)) == [("seen", None)] * 2
    assert packed.losses == ()


def test_a_tag_without_a_value_that_is_there_twice_is_unchanged_when_it_is_written_again() -> None:
    row = row_of(annotation(car(5, SEEN, SEEN), tags=[SEEN, SEEN]))
    there = kept(pack_row(opened(row, PROJECT, ELSEWHERE), PROJECT), ELSEWHERE)
    for append in (False, True):
        assert pack_row(opened(row, PROJECT, ELSEWHERE, there, append=append), PROJECT).unchanged


@EVERY
def test_a_label_of_another_class_loses_the_tags_that_are_not_for_that_class(way: Way) -> None:
    note: Json = {"name": "note", "value": "x", "id": 4}
    said = annotation(car(5, {"name": "parked", "id": 3}, note))
    packed = way(said, Rename(classes={"car": "thing"})(row_of(said)))
    (one,) = sent(packed)["objects"]
    assert (one["classTitle"], tags_of(one)) == ("thing", [("note", "x")])
    assert [(loss.what, loss.object) for loss in packed.losses] == [(LossKind.ATTRIBUTE, "5")]
    assert "'parked' is not for labels of class 'thing'" in packed.losses[0].why


def test_a_label_that_keeps_its_class_keeps_a_tag_that_is_not_for_it() -> None:
    said = annotation(label(5, "thing", "point", {"name": "parked"}, points={"exterior": [[1, 1]]}))
    packed = edited(said, row_of(said))
    assert (packed.unchanged, packed.losses) == (True, ())


@pytest.mark.parametrize(
    ("name", "one", "other", "alike"),
    [
        ("size", [1, 2.5], [2.5, 1.0], True),
        ("size", [5, 5.0], [5], True),
        ("size", [1, 2], [1, 3], False),
        ("note", ["a", "b"], ["b", "a", "b"], True),
        ("note", ["a", "a"], ["a"], True),
        ("note", ["a", "b"], ["a"], False),
    ],
)
def test_labels_with_the_same_values_of_a_tag_are_bound_in_whatever_order_they_come(
    name: str, one: list[object], other: list[object], *, alike: bool
) -> None:
    said = annotation(
        *(car(at, *({"name": name, "value": value} for value in some)) for at, some in ((5, one), (6, other)))
    )
    found = Bind(attribute=name)(row_of(said)).groups
    assert [set(group.objects) for group in found] == ([{"5", "6"}] if alike else [])


# ---- shapes ----------------------------------------------------------------------------------------------


@EVERY
def test_a_multipolygon_of_one_part_stays_one_in_a_class_of_any_shape(way: Way) -> None:
    said = annotation(label(5, "thing", "multipolygon", parts=[{"exterior": RING, "interior": []}]))
    (figure,) = extra_figures(way(said, row_of(said)).payload)
    assert figure["geometryType"] == "multipolygon"
    assert figure["geometry"] == {"parts": [{"exterior": RING, "interior": []}]}


@EVERY
def test_a_polygon_of_one_part_stays_one_in_a_class_of_any_shape(way: Way) -> None:
    said = annotation(label(5, "thing", "polygon", points={"exterior": RING, "interior": []}))
    assert [one["geometryType"] for one in sent(way(said, row_of(said)))["objects"]] == ["polygon"]


# ---- what a source does not tell -------------------------------------------------------------------------


def test_custom_data_stay_where_the_source_tells_none() -> None:
    there = Opened(ELSEWHERE, annotation(car(8), customBigData={"run": 7}, description="old"))
    for said, custom in (
        (annotation(car(5)), {"run": 7}),
        (annotation(car(5), customBigData={"run": 8}), {"run": 8}),
        (annotation(car(5), customBigData={}), {}),
    ):
        whole = sent(pack_row(opened(row_of(said), PROJECT, ELSEWHERE, there), PROJECT))
        assert (whole["customBigData"], whole["description"]) == (custom, "")


# ---- labels that are not drawn ---------------------------------------------------------------------------

CARRIED: Json = annotation(car(5), crate(6), crate(7, "box"), crate(8))


@EVERY
def test_drop_takes_labels_away_that_are_not_drawn(way: Way) -> None:
    row = row_of(CARRIED)
    assert names(way(CARRIED, row)) == ["car", "crate", "box", "crate"]
    assert names(way(CARRIED, Drop(classes=("crate",))(row))) == ["car", "box"]
    assert names(way(CARRIED, Drop(classes=("box",))(Drop(classes=("crate",))(row)))) == ["car"]
    assert names(way(CARRIED, Drop(classes=("car",))(row))) == ["crate", "box", "crate"]


@EVERY
def test_keep_takes_labels_away_that_are_not_drawn(way: Way) -> None:
    row = row_of(CARRIED)
    assert names(way(CARRIED, Keep(classes=("car",))(row))) == ["car"]
    assert names(way(CARRIED, Keep(classes=("car", "box"))(row))) == ["car", "box"]
    assert names(way(CARRIED, Keep(classes=("car", "box"))(Keep(classes=("car", "crate"))(row)))) == ["car"]


@EVERY
def test_what_is_asked_of_drawn_labels_only_leaves_the_others(way: Way) -> None:
    row = row_of(CARRIED)
    for operation in (
        Drop(classes=("crate",), min_area=1.0),
        Drop(classes=("crate",), frames=3),
        Keep(min_area=1.0),
        Keep(classifications=("x",)),
    ):
        assert names(way(CARRIED, operation(row))) == ["car", "crate", "box", "crate"]


def test_labels_that_were_dropped_need_no_class_in_another_project() -> None:
    bare = project_of(with_ids({"classes": [{"title": "car", "shape": "rectangle"}], "tags": []}))
    row = Drop(classes=("crate", "box"))(row_of(CARRIED))
    packed = pack_row(opened(row, bare, ELSEWHERE), bare)
    assert (names(packed), packed.losses) == (["car"], ())


def bound(said: Json, *there: int) -> Json:
    """The annotation with only some of its labels, by number, under other ids and keys."""
    labels = [
        {**one, "id": one["id"] + 100, "instance": f"other {one['instance']}"}
        for one in said["objects"]
        if one["id"] in there
    ]
    return {**said, "objects": labels}


@pytest.mark.parametrize("there", [(5,), (6,), (7,), (5, 7), (6, 7), (7, 8), (5, 9), (9,), (5, 6, 7, 8, 9)])
def test_labels_that_are_appended_join_the_group_of_those_that_are_not_drawn(there: tuple[int, ...]) -> None:
    said = annotation(
        {**car(5), "instance": "a"},
        {**car(6), "instance": "a", "description": "second"},
        crate(7, instance="a"),
        crate(8, "box", instance="a"),
        crate(9, "box", description="alone", instance="b"),
    )
    before = Opened(ELSEWHERE, bound(said, *there))
    packed = pack_row(opened(row_of(said), PROJECT, ELSEWHERE, before, append=True), PROJECT)
    groups: dict[str, list[tuple[str, str]]] = {}
    for one in sent(packed)["objects"]:
        groups.setdefault(one["instance"], []).append((one["classTitle"], one["description"]))
    whole = [("box", ""), ("car", ""), ("car", "second"), ("crate", "")]
    assert sorted(map(sorted, groups.values())) == [whole, [("box", "alone")]]
    after = kept(packed, ELSEWHERE)
    assert pack_row(opened(row_of(said), PROJECT, ELSEWHERE, after, append=True), PROJECT).unchanged
