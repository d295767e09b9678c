import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings

from pipeline.core.geometry import (
    Point,
    Shape,
)
from pipeline.core.labels import (
    Answer,
    Group,
    LabelRow,
)
from pipeline.core.ontology import AttributeKind
from pipeline.core.operations import (
    Add,
    Bind,
    Call,
    Convert,
    NewObject,
    Remove,
    Unbind,
)
from pipeline.errors import RowError
from tests.small_rows import CAR, COLOUR, MAN, image, thing

few = settings(max_examples=40, deadline=None)


# ---- add, remove, bind, unbind -------------------------------------------------------------------------


def test_added_objects_have_the_same_ids_in_every_run_and_are_added_once() -> None:
    add = Add((NewObject(class_="car", box=(1, 2, 3, 4), attributes={"colour": "red"}),))
    done = add(image(MAN))
    assert done.objects[0] is MAN
    assert done.objects[1].answers == (COLOUR,)
    assert add(image(MAN)) == done
    assert add(done) is done


def test_remove_takes_ids_and_classes() -> None:
    assert Remove(ids=("a",), classes=("man",))(image(CAR, MAN, thing("c", Point(1, 1)))).objects[0].id == "c"


def test_bind_groups_what_is_alike_and_keeps_a_group_that_exists() -> None:
    red, other = (replace(item, answers=(COLOUR,)) for item in (CAR, MAN))
    row = image(red, other, thing("c", Point(1, 1)), groups=(Group("g", ("a", "c")),))
    done = Bind(attribute="colour")(row)
    assert [group.objects for group in done.groups] == [("c",), ("a", "b")]
    assert Bind(attribute="colour")(done) is done
    assert Unbind(all=True)(done).groups == ()
    assert [group.objects for group in Unbind(classes=("man",))(done).groups] == [("c",), ("a",)]


def test_bind_by_a_number_takes_it_for_the_same_however_it_is_written() -> None:
    numbers = {"a": 5, "b": 5.0, "c": 5.5, "d": 10**400, "e": True, "f": 1}
    objects = (
        replace(thing(name, Point(1, 1)), answers=(Answer("n", AttributeKind.NUMBER, value),))
        for name, value in numbers.items()
    )
    assert [group.objects for group in Bind(attribute="n")(image(*objects)).groups] == [("a", "b")]


# ---- call ----------------------------------------------------------------------------------------------


def fails(row: LabelRow) -> LabelRow:
    raise KeyError(row.title)


def nothing(row: LabelRow) -> None:
    del row


def doubles(row: LabelRow) -> LabelRow:
    return replace(row, objects=row.objects * 2)


def binds_twice(row: LabelRow) -> LabelRow:
    return replace(row, groups=(Group("g", ("a",)), Group("g", ("a",))))


def rekeyed(row: LabelRow) -> LabelRow:
    return replace(row, key="other")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (fails, "mine raised KeyError: 'cat.png'"),
        (nothing, "mine returned NoneType, expected a LabelRow"),
        (doubles, "mine gave two objects one id"),
        (binds_twice, "mine gave two groups one id"),
        (rekeyed, "mine changed the key to 'other'"),
    ],
)
def test_a_function_that_fails_rejects_its_row_with_the_reason(
    function: Callable[[LabelRow], object], reason: str
) -> None:
    with pytest.raises(RowError, match=f"row 'cat.png': {reason}"):
        Call(function, "mine")(image(CAR))


def test_what_a_function_takes_away_leaves_groups_too() -> None:
    row = image(CAR, MAN, groups=(Group("g", ("a", "b")),))
    done = Call(lambda given: replace(given, objects=given.objects[:1]), "mine")(row)
    assert done.groups == (Group("g", ("a",)),)


def test_heavy_operations_can_be_sent_to_another_process() -> None:
    convert = Convert(to=Shape.MASK)
    assert convert.heavy
    assert pickle.loads(pickle.dumps(convert)) == convert  # noqa: S301 - our own bytes
