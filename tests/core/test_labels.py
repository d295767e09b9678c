import pickle
from dataclasses import replace

from hypothesis import given, settings

from pipeline.core import spans
from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow
from pipeline.core.measure import bounds
from pipeline.core.ontology import Ontology
from pipeline.core.operations import Clip
from tests.strategies import FLAT, Scope, rows, rows_with_ontology

few = settings(max_examples=40, deadline=None)
RECTANGULAR = FLAT - {Shape.MASK, Shape.ALPHA_MASK}


@few
@given(rows_with_ontology())
def test_a_drawn_row_fits_its_ontology(pair: tuple[LabelRow, Ontology]) -> None:
    row, ontology = pair
    for item in row.objects:
        definition = ontology.find(item.class_name, item.shape)
        assert definition is not None
        assert {answer.attribute for answer in item.answers} <= {
            known.name for known in definition.attributes
        }
    for mark in row.classifications:
        assert ontology.classification(mark.name) is not None


@few
@given(rows())
def test_a_row_crosses_a_process_boundary_as_it_is(row: LabelRow) -> None:
    assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301 - our own bytes


@few
@given(rows())
def test_occurrences_come_in_order_of_frames_and_share_one_shape(row: LabelRow) -> None:
    for item in row.objects:
        assert list(item.occurrences) == sorted(item.occurrences)
        shapes = {replace(item, occurrences={0: found}).shape for found in item.occurrences.values()}
        assert shapes == {item.shape}


@few
@given(rows())
def test_every_answer_on_a_frame_is_one_of_the_objects_answers(row: LabelRow) -> None:
    for item in row.objects:
        for frame in item.occurrences:
            here = item.answers_at(frame)
            assert all(answer.frames is None or spans.holds(answer.frames, frame) for answer in here)
            assert [answer for answer in item.answers if answer.frames is None] == [
                answer for answer in here if answer.frames is None
            ]


@few
@given(rows())
def test_links_name_objects_of_the_row(row: LabelRow) -> None:
    ids = {item.id for item in row.objects}
    assert len(ids) == len(row.objects)
    assert {member for group in row.groups for member in group.objects} <= ids
    assert {end for link in row.relations for end in (link.source, link.target)} <= ids


@few
@given(rows(Scope(shapes=RECTANGULAR)))
def test_drawn_geometry_lies_inside_its_image(row: LabelRow) -> None:
    for item in row.objects:
        for frame, occurrence in item.occurrences.items():
            size, around = row.size_at(frame), bounds(occurrence.geometry)
            assert size is not None
            assert around is not None
            x, y, width, height = around
            assert min(x, y) >= -1e-9
            assert x + width <= size[1] + 1e-9
            assert y + height <= size[0] + 1e-9


@few
@given(rows(Scope(shapes=FLAT)))
def test_clip_leaves_a_row_that_lies_inside_as_the_same_row(row: LabelRow) -> None:
    assert Clip()(row) is row
