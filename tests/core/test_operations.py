from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.geometry import (
    Box,
    Shape,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    LabelRow,
    Option,
    Relation,
)
from pipeline.core.masks import EncodedMask
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology, OptionDef, draft
from pipeline.core.operations import (
    Add,
    Bind,
    Clip,
    Convert,
    Drop,
    Keep,
    NewObject,
    Remove,
    Rename,
    Set,
    Unbind,
)
from pipeline.errors import RowError
from pipeline.ports import Operation
from tests.small_rows import CAR, COLOUR, MAN, RAW, image, thing, video
from tests.strategies import FLAT, Scope, rows, rows_with_ontology

few = settings(max_examples=40, deadline=None)


# ---- what all of them promise --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        Rename(classes={"?": "!"}, attributes={"?": "!"}, options={"?": {"?": "!"}}),
        Drop(classes=("?",)), Keep(min_confidence=0), Set(attribute="?", value=1, classes=("?",)),
        Convert(to=Shape.BOX, classes=("?",)), Clip(), Remove(ids=("?",)), Unbind(classes=("?",)),
        Bind(attribute="?"), Add((NewObject(class_="x", box=(1, 1, 1, 1)),), titles=("?",)),
    ],
)  # fmt: skip
def test_a_row_that_is_not_touched_stays_the_same_instance(operation: Operation) -> None:
    row = image(CAR, MAN, groups=(Group("g", ("a", "b")),))
    assert operation(row) is row


@few
@given(rows_with_ontology(Scope(shapes=FLAT - {Shape.ALPHA_MASK})))
def test_what_an_operation_leaves_fits_the_ontology_that_it_revises(pair: tuple[LabelRow, Ontology]) -> None:
    row, ontology = pair
    first = ontology.classes[0].name
    for operation in (
        Rename(classes={first: "renamed"}), Keep(classes=(first,)), Drop(classes=(first,)),
        Convert(to=Shape.POLYGON), Set(attribute="new", value={"yes": {"why": 1}}),
        Set(classification="new", value=["a", "b"]), Add((NewObject(class_="x", point=(1, 1)),)),
    ):  # fmt: skip
        done, revised = operation(row), operation.revise(ontology)
        for item in done.objects:
            definition = revised.find(item.class_name, item.shape)
            assert definition is not None
            assert {answer.attribute for answer in item.answers} <= {
                each.name for each in definition.attributes
            }
        assert all(revised.classification(mark.name) for mark in done.classifications)


@few
@given(rows(), st.integers(0, 3))
def test_keep_and_drop_share_out_every_occurrence(row: LabelRow, last: int) -> None:
    condition: dict[str, Any] = {"frames": (0, last), "max_area": 50.0}
    kept, left = Keep(**condition)(row), Drop(**condition)(row)
    every = sorted((item.id, frame) for item in row.objects for frame in item.occurrences)
    shared = sorted(
        (item.id, frame) for part in (kept, left) for item in part.objects for frame in item.occurrences
    )
    assert shared == every
    for part in (kept, left):
        ids = {item.id for item in part.objects}
        assert {member for group in part.groups for member in group.objects} <= ids
        assert all(group.objects for group in part.groups)
        assert {end for link in part.relations for end in (link.source, link.target)} <= ids


# ---- rename --------------------------------------------------------------------------------------------


def test_rename_changes_all_names_at_once_and_keeps_raw() -> None:
    row = Rename(classes={"car": "man", "man": "car"})(image(CAR, MAN))
    assert [item.class_name for item in row.objects] == ["man", "car"]
    assert row.objects[0].raw is RAW


def test_rename_reaches_nested_attributes_options_and_classifications() -> None:
    nested = Answer("kind", AttributeKind.RADIO, Option("big", (COLOUR,)))
    mark = Classification("c", Answer("light", AttributeKind.CHECKLIST, (Option("day"), Option("fog"))))
    row = image(replace(CAR, answers=(nested,)), classifications=(mark,))
    rename = Rename(
        attributes={"colour": "tint"},
        classifications={"light": "weather"},
        options={"kind": {"big": "large"}, "light": {"fog": "mist"}},
    )
    done = rename(row)
    assert done.objects[0].answers == (
        Answer("kind", AttributeKind.RADIO, Option("large", (replace(COLOUR, attribute="tint"),))),
    )
    assert done.classifications[0].answer == Answer(
        "weather", AttributeKind.CHECKLIST, (Option("day"), Option("mist"))
    )


def test_classes_that_become_one_have_the_attributes_of_both() -> None:
    text = AttributeDef("a", AttributeKind.TEXT)
    number = AttributeDef("b", AttributeKind.NUMBER)
    ontology = Ontology((
        ClassDef("car", Shape.BOX, attributes=(text,)), ClassDef("van", Shape.BOX, attributes=(number,)),
    ))  # fmt: skip
    assert Rename(classes={"van": "car"}).revise(ontology).classes == (
        ClassDef("car", Shape.BOX, attributes=(text, number)),
    )


# ---- keep and drop -------------------------------------------------------------------------------------


def test_limits_are_included_and_no_confidence_counts_as_certain() -> None:
    row = image(
        thing("low", Box(0, 0, 1, 1), confidence=0.29), thing("at", Box(0, 0, 1, 1), confidence=0.3), CAR
    )
    assert [item.id for item in Keep(min_confidence=0.3)(row).objects] == ["at", "a"]
    assert [item.id for item in Drop(max_confidence=0.3)(row).objects] == ["a"]


def test_conditions_must_all_hold() -> None:
    row = image(CAR, MAN, thing("c", Box(0, 0, 2, 2)))
    assert [item.id for item in Drop(classes=("car", "man"), min_area=5)(row).objects] == ["b", "c"]
    assert [item.id for item in Keep(shapes=(Shape.BOX,), max_area=5)(row).objects] == ["c"]


def test_a_dropped_object_leaves_groups_and_relations() -> None:
    row = image(
        CAR, MAN,
        groups=(Group("g", ("a", "b")), Group("h", ("b",))),
        relations=(Relation("drives", "b", "a"),),
    )  # fmt: skip
    done = Drop(classes=("man",))(row)
    assert done.groups == (Group("g", ("a",)),)
    assert done.relations == ()
    assert done.objects[0] is CAR


def test_frames_cut_occurrences_dynamic_answers_and_classifications_of_frames() -> None:
    answer = replace(COLOUR, frames=((0, 20),))
    marks = (
        Classification("x", COLOUR, ((0, 4),)),
        Classification("y", COLOUR, ((3, 12),)),
        Classification("z", COLOUR),
    )
    row = video(replace(CAR, answers=(answer,)), range(21), classifications=marks)
    kept = Keep(frames=(10, 12))(row)
    assert list(kept.objects[0].occurrences) == [10, 11, 12]
    assert kept.objects[0].answers == (replace(COLOUR, frames=((10, 12),)),)
    assert [(mark.id, mark.frames) for mark in kept.classifications] == [("y", ((10, 12),)), ("z", None)]
    dropped = Drop(frames=((0, 9), (13, 30)))(row)
    assert dropped.objects == kept.objects
    assert Keep(frames=(10, 12), classes=("car",))(row).classifications == marks


def test_classifications_are_chosen_by_name_without_touching_objects() -> None:
    other = Classification("y", Answer("light", AttributeKind.TEXT, "day"))
    row = image(CAR, classifications=(Classification("x", COLOUR), other))
    assert Drop(classifications=("colour",))(row) == image(CAR, classifications=(other,))
    assert Keep(classifications=("light",))(row) == image(CAR, classifications=(other,))


def test_a_mask_that_cannot_be_read_names_its_object() -> None:
    row = image(thing("m", EncodedMask(4, 4, "coco_rle", "not a mask")))
    with pytest.raises(RowError, match=r"row 'cat.png', object 'm' \(car\): its area cannot be measured"):
        Keep(min_area=1)(row)


# ---- set -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "answer"),
    [
        ("red", None, Answer("x", AttributeKind.TEXT, "red")),
        (3, None, Answer("x", AttributeKind.NUMBER, 3)),
        (True, None, Answer("x", AttributeKind.BOOLEAN, True)),  # noqa: FBT003 - the value under test
        ("red", AttributeKind.RADIO, Answer("x", AttributeKind.RADIO, Option("red"))),
        (["a", "b"], None, Answer("x", AttributeKind.CHECKLIST, (Option("a"), Option("b")))),
        (
            {"big": {"colour": "red"}}, None,
            Answer("x", AttributeKind.RADIO, Option("big", (COLOUR,))),
        ),
        ({"q": [1]}, AttributeKind.JSON, Answer("x", AttributeKind.JSON, {"q": [1]})),
    ],
)  # fmt: skip
def test_a_written_value_becomes_the_answer_that_it_says(
    value: object, kind: AttributeKind | None, answer: Answer
) -> None:
    done = Set(attribute="x", value=value, kind=kind, classes=("car",))(image(CAR, MAN))
    assert done.objects[0].answers == (answer,)
    assert done.objects[1] is MAN
    assert Set(attribute="x", value=value, kind=kind)(done).objects[0] is done.objects[0]


def test_a_dynamic_answer_leaves_what_was_answered_on_the_other_frames() -> None:
    row = video(replace(CAR, answers=(COLOUR,)), range(10))
    done = Set(attribute="colour", value="blue", frames=(4, 50))(row)
    assert done.objects[0].answers == (
        replace(COLOUR, frames=((0, 3),)), Answer("colour", AttributeKind.TEXT, "blue", ((4, 9),)),
    )  # fmt: skip
    assert Set(attribute="colour", value="blue", frames=30)(row) is row


def test_a_classification_is_set_once_and_keeps_its_id() -> None:
    done = Set(classification="light", value="day")(image())
    assert Set(classification="light", value="day")(done) is done
    changed = Set(classification="light", value="night")(done)
    assert [mark.id for mark in changed.classifications] == [done.classifications[0].id]
    assert changed.classifications[0].answer.value == "night"


@pytest.mark.parametrize(
    "parts",
    [
        {"value": 1},
        {"value": 1, "attribute": "a", "classification": "b"},
        {"value": None, "attribute": "a"},
        {"value": 1, "attribute": "a", "kind": AttributeKind.TEXT},
        {"value": [], "attribute": "a", "kind": AttributeKind.RADIO},
        {"value": 1, "attribute": "a", "frames": (5, 1)},
        {"value": 1, "attribute": "a", "relation": True},
    ],
)
def test_a_set_that_cannot_be_meant_is_refused_when_it_is_made(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Set(**parts)


def test_set_adds_its_options_to_the_ontology() -> None:
    revised = Set(attribute="x", value={"big": {"n": 1}}).revise(draft([("car", Shape.BOX)]))
    below = AttributeDef("n", AttributeKind.NUMBER)
    assert revised.classes[0].attributes == (
        AttributeDef("x", AttributeKind.RADIO, options=(OptionDef("big", attributes=(below,)),)),
    )
