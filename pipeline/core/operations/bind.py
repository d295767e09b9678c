"""`bind` and `unbind`: which objects belong together."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import ClassVar, Literal

from pipeline.core.carried import with_freed
from pipeline.core.labels import AnswerValue, Group, LabelRow, ObjectInstance, Option
from pipeline.core.ontology import Ontology
from pipeline.core.operations.edits import derived_id, same


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Group the objects of `classes` (absent: all) that are alike: `by` class, track or row, or by the
    static answer to an `attribute`.

    Objects without a track, or without that answer, stay as they are, and so does one that is alike with no
    other. An object that is bound leaves the group that it was in.
    """  # noqa: D205 - one sentence

    by: Literal["class", "track", "row"] | None = None
    attribute: str | None = None
    classes: tuple[str, ...] | None = None
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (self.by is None) == (self.attribute is None):
            raise ValueError("give either `by` (class, track or row) or `attribute` (a name)")

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with the groups; one that exists with the same members stays."""
        alike: dict[str, list[str]] = {}
        for item in row.objects:
            if self.classes is None or item.class_name in self.classes:
                value = self._value(item)
                if value is not None:
                    alike.setdefault(value, []).append(item.id)
        known = {frozenset(group.objects) for group in row.groups}
        new = [
            Group(
                derived_id(row.key, "bind", self.by or "attribute", self.attribute or "", value), tuple(ids)
            )
            for value, ids in alike.items()
            if len(ids) > 1 and frozenset(ids) not in known
        ]
        bound = {member for group in new for member in group.objects}
        kept = [group for group in _without(row.groups, bound) if group.id not in {item.id for item in new}]
        return replace(row, groups=(*kept, *new)) if new else row

    def revise(self, ontology: Ontology) -> Ontology:
        """Classes stay as they are."""
        return ontology

    def _value(self, item: ObjectInstance) -> str | None:
        if self.by == "row":
            return ""
        if self.by == "class":
            return item.class_name
        if self.by == "track":
            return item.track
        found = (
            answer for answer in item.answers if answer.attribute == self.attribute and answer.frames is None
        )
        answer = next(found, None)
        return None if answer is None else _text(answer.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbind:
    """Take the objects of `classes`, or `all` objects, out of their groups. A group without a member goes.

    So do labels that the platform of the row carries along without drawing them, once they are written there.
    """

    all: bool = False
    classes: tuple[str, ...] | None = None
    heavy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.all == (self.classes is not None):
            raise ValueError("give either `all: true` or `classes`")

    def __call__(self, row: LabelRow) -> LabelRow:
        """Return the row with the groups that are left."""
        freed = {item.id for item in row.objects if self.all or item.class_name in (self.classes or ())}
        groups = () if self.all else _without(row.groups, freed)
        row = with_freed(row, self.classes)
        return row if same(groups, row.groups) else replace(row, groups=groups)

    def revise(self, ontology: Ontology) -> Ontology:
        """Classes stay as they are."""
        return ontology


def _without(groups: tuple[Group, ...], members: Collection[str]) -> tuple[Group, ...]:
    found = []
    for group in groups:
        left = tuple(member for member in group.objects if member not in members)
        if left:
            found.append(group if len(left) == len(group.objects) else replace(group, objects=left))
    return tuple(found)


def _text(value: AnswerValue) -> str:
    """A value as text: several as what they are, whatever their order and however often each is there."""
    if isinstance(value, Option):
        return value.name
    if isinstance(value, tuple | list):
        return "\0".join(sorted({_text(one) for one in value}))
    if isinstance(value, Real) and not isinstance(value, Integral) and float(value).is_integer():
        return str(int(float(value)))  # 5.0 is the number 5
    return str(value)
