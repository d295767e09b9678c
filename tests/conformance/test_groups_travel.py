"""Objects that belong together still do after a trip to any platform that can say so, and back."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import Group, LabelRow, Media, ObjectInstance, Occurrence, Raw
from pipeline.core.losses import LossKind
from pipeline.core.merging import appended
from pipeline.core.ontology import AttributeDef, AttributeKind, ClassDef, Ontology
from pipeline.core.operations import Bind, Unbind
from pipeline.core.operations.edits import linked
from pipeline.core.rows import EditedRow, PackedRow, Place, RowKey
from pipeline.platforms.archive.convert import read_row as read_archived
from pipeline.platforms.archive.convert import write_row as write_archived
from pipeline.platforms.coco.convert.categories import read_categories
from pipeline.platforms.coco.convert.reading import Reader
from pipeline.platforms.coco.convert.writing import pack_row as pack_coco
from pipeline.platforms.coco.joining import joined
from pipeline.platforms.coco.settings import Style
from pipeline.platforms.encord import convert as encord
from pipeline.platforms.encord.convert import read_ontology, write_ontology
from pipeline.platforms.encord.convert import read_row as read_encord
from pipeline.platforms.segments.convert import Rules
from pipeline.platforms.segments.convert import read_row as read_segments
from pipeline.platforms.segments.wire import Label
from pipeline.platforms.supervisely import convert as supervisely
from pipeline.platforms.supervisely.wire import Image
from tests.conformance import encord_rows, segments_labels
from tests.scope import texts

few = settings(
    deadline=None,
    max_examples=60,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
ATTRIBUTE = "plate"
"""A static text attribute of the class, in the golden labels of Segments.ai and in Encord's ontology here."""
CLASS = ClassDef("vehicle", Shape.BOX, attributes=(AttributeDef(ATTRIBUTE, AttributeKind.TEXT),))
ENCORD = read_ontology(write_ontology(Ontology((CLASS,))))

Partition = set[frozenset[int]]


def partition(row: LabelRow) -> Partition:
    """Which objects are together, by where they are drawn."""
    at = {item.id: _place(item) for item in row.objects}
    return {frozenset(at[name] for name in group.objects) for group in row.groups}


def _place(item: ObjectInstance) -> int:
    geometry = item.occurrences[0].geometry
    assert isinstance(geometry, Box)
    return round(geometry.x / 5)


def row_of(owners: list[int | None], keys: list[str]) -> LabelRow:
    """Boxes side by side, as they come from a project whose labels say `instance`."""
    objects = tuple(
        ObjectInstance(
            str(900 + at),
            "vehicle",
            {0: Occurrence(Box(5.0 * at, 3.0, 4.0, 4.0))},
            raw=Raw("supervisely", {"id": 900 + at} | ({} if owner is None else {"instance": keys[owner]})),
        )
        for at, owner in enumerate(owners)
    )
    members = [
        tuple(item.id for item, owner in zip(objects, owners, strict=True) if owner == number)
        for number in range(len(keys))
    ]
    groups = tuple(Group(key, names) for key, names in zip(keys, members, strict=True) if names)
    return LabelRow(
        "77", "a.png", media=(Media("a.png", width=64, height=48),), objects=objects, groups=groups
    )


KEYS = st.integers(1, 10**9).map(str) | st.uuids().map(lambda key: key.hex) | texts()


@st.composite
def bound_rows(draw: st.DrawFn) -> LabelRow:
    """Rows in which every object is in one group or in none."""
    keys = draw(st.lists(KEYS, min_size=1, max_size=4, unique=True))
    owner = st.none() | st.integers(0, len(keys) - 1)
    return row_of(draw(st.lists(owner, min_size=1, max_size=8)), keys)


# ---- the trips --------------------------------------------------------------------------------------------


class Coco:
    """A file whose annotations have a key for it."""

    def __init__(self) -> None:
        self.found: Any = {"images": [], "annotations": [], "categories": []}

    def read(self) -> LabelRow:
        reader = Reader(read_categories(self.found["categories"]), group_field="group_id")
        (image,) = self.found["images"]
        return reader.row(image, self.found["annotations"])

    def write(self, row: LabelRow) -> PackedRow:
        edited = EditedRow(RowKey(row.key, 0, row.title), Place(row.key), row)
        packed = pack_coco(edited, Style.INSTANCES, "group_id")
        self.found = json.loads(b"".join(joined(lambda: [packed.payload], None, Style.INSTANCES)))
        return packed


class Encord:
    """A label row whose objects answer a text attribute."""

    def __init__(self) -> None:
        self.data = encord_rows.empty_for(row_of([], []))

    def read(self) -> LabelRow:
        return read_encord(self.data, ENCORD, group_attribute=ATTRIBUTE)

    def write(self, row: LabelRow, *, append: bool = False) -> PackedRow:
        place = Place("data", "", encord.Opened.of(self.data, "data", None))
        edited = EditedRow(RowKey(row.key, 0), place, row, self.read(), append)
        packed = encord.pack_row(edited, ENCORD, now=encord_rows.NOW, group_attribute=ATTRIBUTE)
        self.data = encord_rows.sent(packed)
        return packed


class Segments:
    """A sample, with links or an attribute, by the rules."""

    def __init__(self, rules: Rules) -> None:
        self.found = segments_labels.golden("vector", rules)
        self.label: Label | None = None

    def read(self) -> LabelRow:
        return read_segments(self.found.sample, self.label, self.found.project, {}).row

    def write(self, row: LabelRow, *, append: bool = False) -> PackedRow:
        edited = segments_labels.opened(
            row, self.found.sample, self.label, existing=self.read(), append=append
        )
        packed = segments_labels.pack(edited, self.found.project)
        self.label = segments_labels.put(packed)
        return packed


class Archive:
    """A line of the archive, which has groups."""

    def __init__(self) -> None:
        self.line = write_archived(LabelRow("77", "a.png"))

    def read(self) -> LabelRow:
        return read_archived(self.line)

    def write(self, row: LabelRow, *, append: bool = False) -> PackedRow:
        whole = appended(self.read(), row) if append else row
        self.line = write_archived(whole)
        return PackedRow(RowKey(row.key, 0), Place(row.key), self.line, row.label_count, "", row=whole)


class Supervisely:
    """An annotation whose labels have a key. The server gives new ids, and keys that are ids, every time."""

    def __init__(self) -> None:
        self.project = supervisely.project_of(supervisely.merge_meta({}, Ontology((CLASS,))).meta)
        self.image = Image(id=5, name="a.png", dataset_id=3, dataset="dataset", width=64, height=48)
        self.annotation: Any = None
        self.ids = count(901)

    def read(self) -> LabelRow:
        return supervisely.read_row(self.image, self.annotation, self.project).row

    def write(self, row: LabelRow, *, append: bool = False) -> PackedRow:
        place = Place(self.image.key, "", supervisely.Opened(self.image, self.annotation))
        packed = supervisely.pack_row(
            EditedRow(RowKey(row.key, 0), place, row, self.read(), append), self.project
        )
        if not packed.unchanged:
            self.annotation = json.loads(packed.payload)["annotation"]
            self.serve()
        return packed

    def serve(self) -> None:
        keys: dict[str, int] = {}
        for item in self.annotation["objects"]:
            item["id"] = next(self.ids)
            if "instance" in item:
                keys[str(item["instance"])] = item["id"]
        for item in self.annotation["objects"]:
            if "instance" in item:
                item["instance"] = keys[str(item["instance"])]


@dataclass(frozen=True)
class Way:
    """A platform and how it says what belongs together. `pairs`: a group of one cannot be said."""

    name: str
    place: Callable[[], Any]
    pairs: bool = False

    def held(self, row: LabelRow) -> Partition:
        """What of a row it can say."""
        return {one for one in partition(row) if not self.pairs or len(one) > 1}

    def trip(self, row: LabelRow) -> tuple[PackedRow, LabelRow]:
        """Write a row to an empty place, and read it there."""
        place = self.place()
        return place.write(row), place.read()


WAYS = (
    Way("archive", Archive),
    Way("coco-field", Coco),
    Way("encord-attribute", Encord),
    Way("supervisely", Supervisely),
    Way("segments-attribute", lambda: Segments(Rules(group_attribute=ATTRIBUTE))),
    Way("segments-links", lambda: Segments(Rules(group_links=True)), pairs=True),
)
EVERY = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


@EVERY
@few
@given(row=bound_rows())
def test_any_partition_comes_back_as_it_was(way: Way, row: LabelRow) -> None:
    packed, back = way.trip(row)
    lost = len(row.groups) - len(way.held(row))
    assert [loss.what for loss in packed.losses] == [LossKind.GROUP] * lost
    assert packed.groups == len(way.held(row))
    assert partition(back) == way.held(row)
    assert len(back.objects) == len(row.objects)
    assert all(item.answers == () for item in back.objects)


@EVERY
@few
@given(row=bound_rows(), then=st.sampled_from(WAYS))
def test_it_comes_back_over_two_platforms(way: Way, row: LabelRow, then: Way) -> None:
    _, there = way.trip(row)
    _, back = then.trip(replace(there, key="8", title="b.png", media=row.media))
    assert partition(back) == way.held(row) & then.held(row)


@EVERY
@few
@given(row=bound_rows(), other=bound_rows())
def test_what_is_edited_in_place_is_bound_and_taken_apart(way: Way, row: LabelRow, other: LabelRow) -> None:
    place = way.place()
    place.write(row)
    found = place.read()
    assert place.write(found).losses == ()
    assert partition(place.read()) == way.held(row)
    apart = Unbind(all=True)(found)
    assert (place.write(apart).groups, partition(place.read())) == (0, set())
    bound = Bind(by="class")(place.read())
    assert place.write(bound).losses == ()
    assert partition(place.read()) == (
        {frozenset(range(len(row.objects)))} if len(row.objects) > 1 else set()
    )
    # A function of the user's own binds as it likes.
    now = place.read()
    names = {_place(item): item.id for item in now.objects}
    wanted = [
        Group(group.id, tuple(names[at] for name in group.objects if (at := int(name) - 900) in names))
        for group in other.groups
    ]
    place.write(linked(replace(now, groups=tuple(wanted))))
    expected = {frozenset(at for at in one if at in names) for one in partition(other)} - {frozenset()}
    assert partition(place.read()) == {one for one in expected if not way.pairs or len(one) > 1}


APPENDED = [way for way in WAYS if way.name != "coco-field"]
"""A COCO file is written as a whole."""


@pytest.mark.parametrize("way", APPENDED, ids=lambda way: way.name)
def test_a_group_that_is_added_is_not_taken_for_another_of_the_same_key(way: Way) -> None:
    place = way.place()
    place.write(row_of([0, 0], ["5"]))
    more = row_of([None, None, 0, 0, None], ["5"])
    more = replace(more, key="elsewhere", objects=more.objects[2:])
    for _ in range(2):
        assert place.write(more, append=True).losses == ()
        assert partition(place.read()) == {frozenset({0, 1}), frozenset({2, 3})}
        assert len(place.read().objects) == 5


@pytest.mark.parametrize("way", APPENDED[:-1], ids=lambda way: way.name)
def test_a_group_that_is_added_again_with_more_objects_grows(way: Way) -> None:
    place = way.place()
    place.write(row_of([0, 0], ["5"]), append=True)
    assert place.write(row_of([0, 0, 0, None], ["5"]), append=True).losses == ()
    assert partition(place.read()) == {frozenset({0, 1, 2})}
    assert len(place.read().objects) == 4
