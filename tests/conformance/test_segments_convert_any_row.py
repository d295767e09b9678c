"""Any row: it survives the way to Segments.ai and back, or its loss is named."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from pipeline.core import spans
from pipeline.core.geometry import Shape
from pipeline.core.labels import Answer, LabelRow
from pipeline.core.losses import LossKind
from pipeline.core.merging import complete
from pipeline.core.ontology import AttributeKind, Ontology
from pipeline.core.rows import PackedRow
from pipeline.platforms.segments.convert import (
    Project,
    Rules,
    kind_of,
    read_ontology,
    read_row,
    sample_attributes,
    write_ontology,
)
from pipeline.platforms.segments.convert.kinds import FLAT_VECTOR, KINDS, SOLID_VECTOR, Kind
from pipeline.platforms.segments.convert.ontology import fitted
from pipeline.platforms.segments.convert.samples import media_list
from pipeline.platforms.segments.wire import Sample
from tests.conformance.saying import Unsaid, invented, unsaid
from tests.conformance.segments_labels import SERVICE, exact, opened, pack, put, sent, uploaded
from tests.strategies import Scope, rows_with_ontology

DRAWN = settings(
    deadline=None,
    max_examples=25,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
HELD: dict[str, Any] = {
    "attribute_kinds": tuple(kind for kind in AttributeKind if kind is not AttributeKind.JSON),
    "nested": False,
    "groups": False,
    "relations": False,
    "relation_answers": False,
    "confidence": False,
    "row_details": False,
    "provenance": False,
    "raw": False,
    "holes": False,
    "parts": False,
}
PIXELS = frozenset({Shape.MASK, Shape.POINT_SET})
WHERE_ONE_NUMBER_IS = {LossKind.OVERLAP, LossKind.TRACK, LossKind.CLASSIFICATION}
"""Drawn masks overlap, drawn tracks repeat, and a label of several sensors has none of the whole."""
TYPES = pytest.mark.parametrize("task_type", sorted(KINDS))


def scope_of(kind: Kind, **changes: Any) -> Scope:  # noqa: ANN401 - fields of a scope
    scope = Scope(shapes=kind.shapes, media_kinds=(kind.media_kind,), **{**HELD, **changes})
    return replace(scope, sensors=True) if kind.sensors else scope


def project_of(
    drafted: Ontology, kind: Kind, rules: Rules | None = None, *, full_rotation: bool = True
) -> Project:
    """A dataset made for an ontology."""
    task_attributes = json.loads(json.dumps(write_ontology(fitted(drafted, kind)[0], kind)))
    ontology = read_ontology(kind.task_type, task_attributes)
    return Project(kind, ontology, rules or Rules(), SERVICE, full_rotation=full_rotation)


def sample_for(row: LabelRow, kind: Kind) -> Sample:
    """A sample that shows the media of a row."""
    urls = [f"https://media.example/{number}.pcd" for number in range(len(media_list(row)))]
    attributes = json.loads(json.dumps(sample_attributes(row, urls, kind)))
    return Sample(uuid="7c7c7c7c-0000-4000-8000-000000000000", name=row.title, attributes=attributes)


def there_and_back(row: LabelRow, project: Project) -> tuple[LabelRow, PackedRow, LabelRow]:
    """A row brought to a new sample, what was sent, and what is read there. A second time changes nothing."""
    sample = sample_for(row, project.kind)
    empty = read_row(sample, None, project, {}).row
    row = complete(row, empty)
    packed = pack(opened(row, sample, existing=empty), project)
    assert json.loads(packed.payload)["label_status"] == "PRELABELED"
    label, bitmaps = put(packed), uploaded(packed)
    back = read_row(sample, label, project, bitmaps).row
    again = pack(opened(row, sample, label, existing=back), project)
    assert again.unchanged or not packed.labels
    assert again.assets == ()
    assert again.digest == packed.digest
    added = pack(opened(row, sample, label, existing=back, append=True), project)
    if packed.labels:
        assert exact(sent(added)["attributes"]) == exact(label.attributes)
    return row, packed, back


@TYPES
@DRAWN
@given(data=st.data())
def test_any_row_that_a_dataset_holds_survives(task_type: str, data: st.DataObject) -> None:
    kind = kind_of(task_type)
    scope = scope_of(kind)
    if kind.sensors:
        shapes = data.draw(st.sampled_from([FLAT_VECTOR | SOLID_VECTOR, PIXELS]))
        scope = replace(scope, shapes=shapes)
    row, drafted = data.draw(rows_with_ontology(scope))
    assume(not fitted(drafted, kind)[1])
    meant, packed, back = there_and_back(row, project_of(drafted, kind))
    excused = excuses(packed)
    assert {loss.what for loss in packed.losses} <= WHERE_ONE_NUMBER_IS
    left = [
        one for one in unsaid(plainly(meant), plainly(back), row_details=False) if not named(one, excused)
    ]
    assert left == []
    assert invented(meant, back) <= 0


def excuses(packed: PackedRow) -> set[tuple[str, str | None]]:
    found = {(str(loss.what), loss.object) for loss in packed.losses}
    # What lies below another object is not drawn in full.
    found |= {("shape", loss.object) for loss in packed.losses if loss.what is LossKind.OVERLAP}
    # A classification is compared with its confidence.
    found |= {("classification", loss.object) for loss in packed.losses if loss.what is LossKind.CONFIDENCE}
    return found | {(note.what, note.object) for note in packed.notes}


def plainly(row: LabelRow) -> LabelRow:
    """The row in which an answer that holds wherever its object is does not name frames."""
    objects = tuple(
        replace(item, answers=tuple(_static(answer, tuple(item.occurrences)) for answer in item.answers))
        for item in row.objects
    )
    return replace(row, objects=objects)


def _static(answer: Answer, frames: Sequence[int]) -> Answer:
    everywhere = answer.frames is not None and all(spans.holds(answer.frames, frame) for frame in frames)
    return replace(answer, frames=None) if everywhere else answer


def named(one: Unsaid, excused: Iterable[tuple[str, str | None]]) -> bool:
    return any(what in one.excuses and item in (one.object, None) for what, item in excused)


@TYPES
@DRAWN
@given(data=st.data())
def test_what_does_not_arrive_is_a_loss(task_type: str, data: st.DataObject) -> None:
    kind = kind_of(task_type)
    scope = Scope(media_kinds=(kind.media_kind,), raw=False, sensors=kind.sensors)
    row, drafted = data.draw(rows_with_ontology(replace(scope, relation_answers=False)))
    project = project_of(drafted, kind, full_rotation=data.draw(st.booleans()))
    meant, packed, back = there_and_back(replace(row, status=None), project)
    excused = excuses(packed)
    left = [
        one for one in unsaid(plainly(meant), plainly(back), row_details=False) if not named(one, excused)
    ]
    assert left == []
    assert invented(meant, back) <= 0
