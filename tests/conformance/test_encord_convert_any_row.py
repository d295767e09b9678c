"""Any ontology and any row: it survives the way to Encord and back, or its loss is named."""

import json
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings

from pipeline.core.geometry import (
    Shape,
)
from pipeline.core.labels import (
    LabelRow,
    MediaKind,
)
from pipeline.core.losses import LossKind
from pipeline.core.ontology import AttributeKind, Ontology, draft
from pipeline.errors import UsageError
from pipeline.platforms.encord.convert import read_ontology, read_row, write_ontology
from pipeline.platforms.encord.wire import DRAWN
from tests.conformance.encord_rows import (
    FRUIT,
    empty_for,
    in_order_of,
    pack,
    pack_over,
    reads_alike,
    sent,
)
from tests.strategies import FLAT, Scope, rows_with_ontology

FLAT_KINDS = (AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.RADIO, AttributeKind.CHECKLIST)
HELD = Scope(
    shapes=DRAWN - {Shape.CUBOID_2D},
    media_kinds=(MediaKind.IMAGE, MediaKind.IMAGE_GROUP, MediaKind.VIDEO),
    attribute_kinds=(AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.RADIO, AttributeKind.BOOLEAN),
    dynamic=False,
    groups=False,
    relations=False,
    tracks=False,
    keyframes=False,
    row_details=False,
)


def test_the_ontology_keeps_ids_options_templates_and_foreign_shapes() -> None:
    cherry_class = FRUIT.find("Cherry", Shape.BOX)
    assert cherry_class is not None
    part_of, colour = cherry_class.attributes[1:3]
    assert part_of.relation
    assert [option.name for option in colour.options] == ["Blue", "Some other"]
    assert colour.options[1].attributes[0].options[0].attributes[0].name == "Shade"
    bones = FRUIT.find("Strawberry", Shape.SKELETON)
    assert bones is not None
    assert bones.skeleton is not None
    assert [node.name for node in bones.skeleton.nodes] == ["point_0", "point_1", "point_2"]
    assert bones.skeleton.edges == (("point_0", "point_1"), ("point_0", "point_2"), ("point_1", "point_2"))
    assert [item.name for item in FRUIT.classes if item.shape is Shape.OTHER] == [
        "Sound",
        "Sentence",
        "Window",
    ]
    assert [item.whole_row for item in FRUIT.classifications] == [False, False, True]


def test_an_ontology_goes_out_and_comes_back() -> None:
    editor = write_ontology(FRUIT)
    assert read_ontology(json.loads(json.dumps(editor))) == FRUIT
    assert write_ontology(FRUIT.without_ids()) == write_ontology(FRUIT.without_ids())


def test_a_shape_without_an_equivalent_is_an_error() -> None:
    with pytest.raises(UsageError, match="'m': Encord has no class of shape alpha_mask"):
        write_ontology(draft([("m", Shape.ALPHA_MASK)]))


# ---- any row --------------------------------------------------------------------------------------


def survives(found: tuple[LabelRow, Ontology]) -> None:
    row, drafted = found
    ontology = read_ontology(write_ontology(drafted))
    packed = pack(row, ontology, empty_for(row), frame_count=row.frame_count)
    assert packed.losses == ()
    back = read_row(sent(packed), ontology, frame_count=row.frame_count)
    assert reads_alike(in_order_of(row, back, sent(packed)), row)
    again = pack_over(back, ontology, sent(packed), back, frame_count=row.frame_count)
    assert again.unchanged
    assert sent(again) == sent(packed)


@settings(deadline=None, phases=(Phase.explicit, Phase.generate), max_examples=60)
@given(rows_with_ontology(HELD))
def test_any_row_that_encord_can_hold_survives(found: tuple[LabelRow, Ontology]) -> None:
    survives(found)


@settings(deadline=None, phases=(Phase.explicit, Phase.generate), max_examples=40)
@given(rows_with_ontology(replace(HELD, attribute_kinds=FLAT_KINDS, nested=False, dynamic=True)))
def test_any_row_with_checklists_and_answers_by_frame_survives(found: tuple[LabelRow, Ontology]) -> None:
    survives(found)


@settings(deadline=None, phases=(Phase.explicit, Phase.generate), max_examples=60)
@given(
    rows_with_ontology(
        replace(
            HELD, shapes=FLAT - {Shape.ALPHA_MASK}, tracks=True, keyframes=True, relations=True, groups=True
        )
    )
)
def test_what_does_not_survive_is_a_loss(found: tuple[LabelRow, Ontology]) -> None:
    row, drafted = found
    ontology = read_ontology(write_ontology(drafted))
    packed = pack(row, ontology, empty_for(row), frame_count=row.frame_count)
    lost = {loss.what for loss in packed.losses}
    assert (LossKind.GROUP in lost) == bool(row.groups)
    assert (LossKind.RELATION in lost) == bool(row.relations)
    assert (LossKind.KEYFRAME in lost) == any(
        not one.keyframe
        for item in row.objects
        if LossKind.SHAPE not in lost
        for one in item.occurrences.values()
    ) or LossKind.SHAPE in lost
    back = read_row(sent(packed), ontology, frame_count=row.frame_count)
    if LossKind.SHAPE not in lost:
        assert reads_alike(in_order_of(row, back, sent(packed)), replace(row, relations=()))
    else:
        assert len(back.objects) == len(row.objects) - sum(
            loss.what is LossKind.SHAPE for loss in packed.losses
        )
