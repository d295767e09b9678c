"""Any row: it survives the way to Supervisely and back, or its loss is named."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.core.labels import LabelRow, MediaKind
from pipeline.core.losses import Loss, Note
from pipeline.core.ontology import AttributeKind, Ontology
from pipeline.core.rows import PackedRow
from pipeline.errors import RowError
from pipeline.platforms.supervisely.convert import Rules, pack_row, read_row
from pipeline.platforms.supervisely.wire import DRAWN
from tests.conformance.moving import encoded
from tests.conformance.saying import Unsaid, invented, unsaid
from tests.conformance.supervisely_labels import image_for, opened, project_for, written
from tests.strategies import Scope, rows_with_ontology

CHECKED = settings(
    deadline=None,
    max_examples=40,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
HELD: dict[str, Any] = {
    "shapes": DRAWN,
    "media_kinds": (MediaKind.IMAGE,),
    "nested": False,
    "dynamic": False,
    "relations": False,
    "relation_answers": False,
    "tracks": False,
    "keyframes": False,
    "row_details": False,
    "provenance": False,
    "raw": False,
}
CHOICES = (AttributeKind.RADIO, AttributeKind.CHECKLIST)
KINDS = [CHOICES, (AttributeKind.TEXT,), (AttributeKind.NUMBER,), (AttributeKind.BOOLEAN,)]
"""A project has one tag of a name, so that drawn attributes are of one kind at a time."""


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: kinds[0].value)
@CHECKED
@given(data=st.data())
def test_any_row_that_a_project_holds_survives(kinds: tuple[AttributeKind, ...], data: st.DataObject) -> None:
    row, drafted = data.draw(rows_with_ontology(Scope(**HELD, attribute_kinds=kinds, confidence=False)))
    project = project_for(drafted, Rules(polygons="any"))
    packed, _, back = written(encoded(row, "bitmap_png"), project, image_for(row))
    assert packed.losses == ()
    assert packed.labels == row.label_count
    assert unsaid(row, back, row_details=False) == []
    assert invented(row, back) == 0


@CHECKED
@given(data=st.data())
def test_what_the_sdk_would_write_into_a_second_project_is_written_back_unchanged(
    data: st.DataObject,
) -> None:
    row, drafted = data.draw(rows_with_ontology(Scope(**HELD, attribute_kinds=CHOICES, confidence=False)))
    project = project_for(drafted, Rules(polygons="any"))
    _, _, first = written(row, project, image_for(row))
    packed, _, second = written(first, project, image_for(row, 2001))
    assert packed.losses == ()
    assert unsaid(first, second, row_details=False) == []
    assert [item.occurrences for item in first.objects] == [item.occurrences for item in second.objects]


@CHECKED
@given(data=st.data())
def test_a_tag_of_numbers_holds_confidences(data: st.DataObject) -> None:
    scope = Scope(**{**HELD, "classifications": False}, attribute_kinds=CHOICES)
    row, drafted = data.draw(rows_with_ontology(scope))
    rules = Rules(confidence_tag="how sure", polygons="multipolygon")
    packed, _, back = written(row, project_for(drafted, rules), image_for(row))
    assert packed.losses == ()
    assert unsaid(row, back, row_details=False) == []


@CHECKED
@given(data=st.data())
def test_what_does_not_arrive_is_named(data: st.DataObject) -> None:
    scope = Scope(raw=False, sensors=True)
    row, drafted = data.draw(rows_with_ontology(scope))
    project = project_for(drafted)
    image = image_for(row)
    try:
        packed, _, back = written(row, project, image)
    except RowError as error:
        # One name has answers of two kinds, or shapes that have no class in common.
        assert row.title in str(error) or row.key in str(error)  # noqa: PT017 - both ends are good
        return
    left = [one for one in unsaid(row, back, row_details=False) if not excused(one, packed)]
    assert left == []
    assert invented(row, back) <= 0


def excused(one: Unsaid, packed: PackedRow) -> bool:
    said: Iterable[Loss | Note] = (*packed.losses, *packed.notes)
    return any(
        str(item.what) in one.excuses and (item.object in (one.object, None) or one.object is None)
        for item in said
    )


def test_a_row_without_labels_leaves_an_image_without_labels_alone() -> None:
    row = LabelRow("r", "a.jpg")
    project = project_for(Ontology())
    packed, _, back = written(row, project, image_for(row))
    assert packed.unchanged
    assert packed.labels == 0
    assert replace(back, raw=None) == replace(read_row(image_for(row), None, project).row, raw=None)
    assert not pack_row(opened(row, project, image_for(row)), project).losses
