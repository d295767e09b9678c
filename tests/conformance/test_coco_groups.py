"""COCO: a key of annotations that holds groups."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import Job, Report, run
from pipeline.core.geometry import Box
from pipeline.core.labels import Group, LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.losses import LossKind
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.errors import UsageError
from pipeline.platforms.coco.convert.reading import group_key
from pipeline.platforms.coco.convert.writing import pack_row
from pipeline.platforms.coco.settings import Style
from pipeline.wiring.ends import settings_of
from tests.conformance.coco_samples import INSTANCES, Json, sample, written

pytestmark = pytest.mark.anyio
FIELD = "group_id"


def grouped() -> Json:
    """The sample: a polygon alone in 7, a crowd and an annotation of three geometries in 8."""
    found = sample()
    for place, key in enumerate((7, "8", 8, None)):
        found["annotations"][place][FIELD] = key
    return found


async def through(folder: Path, found: Json, *operations: Json, **target: Any) -> tuple[Report, Json]:  # noqa: ANN401
    """What a job makes of a file, with the key on both sides unless `target` says otherwise."""
    out = folder / "out.json"
    parts = {
        "name": "job",
        "source": {"platform": "coco", "annotations": str(written(folder, found)), "group_field": FIELD},
        "target": {"platform": "coco", "annotations": str(out), "group_field": FIELD} | target,
        "operations": operations,
        "mode": "replace",
        "journal": f"sqlite:///{folder}/labelferry.db",
    }
    report = await run(Job.from_mapping(parts))
    return report, json.loads(out.read_text(encoding="utf-8"))


def keys(found: Json) -> list[object]:
    return [one.get(FIELD, "none") for one in found["annotations"]]


async def test_what_nothing_changed_is_written_as_it_came(tmp_path: Path) -> None:
    report, found = await through(tmp_path, grouped())
    assert report.groups["saved"] == 2
    assert found == grouped()


async def test_an_annotation_of_several_geometries_without_the_key_does_not_get_it(tmp_path: Path) -> None:
    report, found = await through(tmp_path, sample())
    assert (report.groups["saved"], report.groups_made, report.groups_discarded) == (1, 0, 0)
    assert found == INSTANCES


async def test_unbind_takes_the_key_out_and_bind_puts_it_in(tmp_path: Path) -> None:
    report, found = await through(tmp_path, grouped(), {"unbind": {"all": True}})
    assert (report.groups["saved"], report.groups_made, report.groups_discarded) == (0, 0, 2)
    # The annotation of three geometries is three annotations, and the one that said null still does.
    assert keys(found) == ["none"] * 5 + [None]
    report, found = await through(tmp_path, grouped(), {"bind": {"by": "row"}})
    assert (report.groups["saved"], report.groups_made, report.groups_discarded) == (2, 1, 1)
    first, *second = keys(found)
    # What came as one annotation still is one.
    assert (first, len(set(second)), len(second)) == (7, 1, 3)


async def test_a_group_that_is_not_one_annotation_is_lost_without_the_key(tmp_path: Path) -> None:
    report, _ = await through(tmp_path, grouped(), group_field=None)
    assert report.losses == {"group": 2}
    assert all("in `group_field`" in one["reason"] for one in report.rejects)
    assert report.groups["rejected"] == 2


@pytest.mark.parametrize(
    ("value", "key"), [("a", "a"), ("", ""), (7, "7"), (7.0, "7"), (10**30, str(10**30)), (None, None)]
)
def test_a_key_is_text_or_a_whole_number(value: object, key: str | None) -> None:
    assert group_key(value) == key


@pytest.mark.parametrize("value", [True, 1.5, [], {}, ["a"]])
async def test_any_other_value_rejects_its_image(tmp_path: Path, value: object) -> None:
    found = grouped()
    found["annotations"][0][FIELD] = value
    report, _ = await through(tmp_path, found)
    (reject,) = report.rejects
    assert reject["row"] == "1"
    assert f"annotation 11: {FIELD}: its group is {value!r}" in reject["reason"]


@pytest.mark.parametrize("name", ["id", "segmentation", "image_id", ""])
def test_a_key_of_coco_itself_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="group_field"):
        settings_of({"platform": "coco", "annotations": "a.json", "group_field": name}, "job.yaml")


def packed(*groups: Group) -> PackedRow:
    objects = tuple(
        ObjectInstance(name, "car", {0: Occurrence(Box(float(at), 1.0, 2.0, 2.0))})
        for at, name in enumerate("abc")
    )
    row = LabelRow("5", "5.png", media=(Media("5.png", width=20, height=10),), objects=objects, groups=groups)
    return pack_row(EditedRow(RowKey("5", 0), Place("5"), row), Style.RESULTS, FIELD)


def test_an_object_in_two_groups_loses_the_second() -> None:
    done = packed(Group("g", ("a", "b")), Group("h", ("b", "c")))
    assert [(loss.what, loss.object) for loss in done.losses] == [(LossKind.GROUP, "b")]
    assert done.groups == 2


def test_two_groups_of_one_id_are_told_apart() -> None:
    bodies = json.loads(packed(Group("g", ("a",)), Group("g", ("b", "c"))).payload)[2]
    assert [one[-1][FIELD] for one in bodies] == ["g", "g-2", "g-2"]
