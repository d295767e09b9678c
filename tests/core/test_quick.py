"""Label rows are made quickly, and are frozen dataclasses like any other."""

import inspect
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from pipeline.core import geometry, labels, rows
from pipeline.core.labels import LabelRow, Media
from pipeline.core.quick import quick


@dataclass(frozen=True, slots=True)
class Usual:
    key: str
    size: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    key: str
    size: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


def test_a_quick_class_is_made_as_a_usual_one() -> None:
    one = Quick("a", extra={"x": 1})
    assert (one.key, one.size, one.extra) == ("a", 0, {"x": 1})
    assert one == Quick("a", 0, {"x": 1}) == replace(Quick("b"), key="a", extra={"x": 1})
    assert repr(one) == repr(Usual("a", 0, {"x": 1})).replace("Usual", "Quick")
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Usual).parameters)
    assert Quick("a").extra is not Quick("a").extra
    assert pickle.loads(pickle.dumps(LabelRow("k"))) == LabelRow("k")  # noqa: S301 - made here


@pytest.mark.parametrize("given", [{}, {"key": "a", "kye": 1}])
def test_a_wrong_argument_is_an_error_that_names_the_class(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Quick\.__init__\(\)"):
        Quick(**given)


def test_a_label_row_cannot_be_changed() -> None:
    row = LabelRow("k", media=(Media("k.jpg"),))
    with pytest.raises(FrozenInstanceError):
        row.title = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        row.media[0].name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del row.key


def test_a_row_with_other_objects_is_the_same_row_but_for_them() -> None:
    box = labels.ObjectInstance("1", "car", {0: labels.Occurrence(geometry.Box(0, 0, 1, 1))})
    row = LabelRow(*(each.name for each in fields(LabelRow)))  # type: ignore[arg-type]
    assert row.with_objects((box,)) == replace(row, objects=(box,))
    assert rows.RowKey("k", 0).metadata == {}
