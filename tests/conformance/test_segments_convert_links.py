"""Links, groups and sensors of Segments.ai."""

from dataclasses import replace

import msgspec

from pipeline.core.geometry import (
    Box,
    Cuboid,
    RotatedBox,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    Option,
    Relation,
)
from pipeline.core.ontology import AttributeKind
from pipeline.core.operations import Rename
from pipeline.platforms.segments.convert import Rules, read_row
from tests.conformance.segments_labels import (
    archived,
    elsewhere,
    exact,
    foreign,
    golden,
    item,
    losses,
    opened,
    pack,
    packed_to,
    put,
    row_of,
    sent,
)


def test_links_are_groups_where_the_job_says_so() -> None:
    found = golden("vector-all", Rules(group_links=True))
    row = found.row()
    assert [group.objects for group in row.groups] == [("1", "2")]
    assert row.relations == ()
    same = pack(opened(row, elsewhere(found.sample)), found.project)
    assert exact(sent(same)["attributes"]) == exact(found.attributes)
    groups = (Group("g", ("1", "2", "4")), Group("h", ("4", "40000000")), Group("i", ("40000000",)))
    packed = pack(opened(replace(row, groups=groups), elsewhere(found.sample)), found.project)
    assert losses(packed) == [("group", None), ("group", None)]
    assert sent(packed)["attributes"]["links"] == [*found.attributes["links"], {"from_id": 2, "to_id": 4}]
    back = read_row(found.sample, put(packed), found.project, {}).row
    assert [set(group.objects) for group in back.groups] == [{"1", "2", "4"}]


def test_what_is_left_of_a_group_whose_other_objects_are_lost_stays_together() -> None:
    found = golden("vector", Rules(group_links=True))
    row = row_of(
        found,
        *(item(Box(at, 0, 1, 1), name) for at, name in enumerate("abc")),
        *(item(RotatedBox(at, 0, 1, 1, 30), name) for at, name in enumerate("xyz")),
        groups=(Group("left", ("a", "x", "b")), Group("one", ("c", "y")), Group("none", ("z",))),
    )
    packed = pack(opened(row, found.sample), found.project)
    lost = [("shape", name) for name in "xyz"]
    assert losses(packed) == [*lost, ("group", None), ("group", None)]
    assert packed.groups == 1
    back = read_row(found.sample, put(packed), found.project, {}).row
    (left,) = back.groups
    assert [len(back.objects), len(left.objects)] == [3, 2]


def test_attributes_of_a_link_that_stands_for_a_group_are_told_of() -> None:
    found = golden("vector-all", Rules(group_links=True))
    links = [{"from_id": 1, "to_id": 2, "attributes": {"side": "left"}}, {"from_id": 1, "to_id": 4}]
    label = msgspec.structs.replace(found.label, attributes={**found.attributes, "links": links})
    read = read_row(found.sample, label, found.project, {})
    assert [group.objects for group in read.row.groups] == [("1", "2", "4")]
    assert [note.what for note in read.notes if "attributes of a link" in note.why] == ["link"]


def test_an_attribute_holds_groups_where_the_job_says_so() -> None:
    found = golden("vector", Rules(group_attribute="plate"))
    row = row_of(
        found,
        item(Box(0, 0, 1, 1), "a"),
        item(Box(1, 0, 1, 1), "b"),
        item(Box(2, 0, 1, 1), "c", "person"),
        groups=(Group("left", ("a", "b")), Group("right", ("b", "c"))),
    )
    packed = pack(opened(row, found.sample), found.project)
    assert losses(packed) == [("group", "b"), ("group", "c")]
    label = put(packed)
    back = read_row(found.sample, label, found.project, {}).row
    assert [(group.id, len(group.objects)) for group in back.groups] == [("left", 2)]
    assert all(one.answers == () for one in back.objects)
    apart = pack(opened(replace(back, groups=()), found.sample, label, existing=back), found.project)
    assert [one.get("attributes") for one in sent(apart)["attributes"]["annotations"]] == [{}, {}, None]


def test_sensors_come_in_the_order_of_the_sample() -> None:
    found = golden("multisensor-sequence")
    other = elsewhere(found.sample)
    assert other.attributes is not None
    turned = msgspec.structs.replace(other, attributes={"sensors": other.attributes["sensors"][::-1]})
    packed = pack(opened(found.row(), turned), found.project)
    sensors = sent(packed)["attributes"]["sensors"]
    assert [one["name"] for one in sensors] == ["Idle", "Seg", "Cam", "Lidar"]
    assert exact(sensors[::-1]) == exact(found.attributes["sensors"])


def test_what_is_on_a_sensor_that_the_sample_has_not_is_lost() -> None:
    strange = (
        item(Box(0, 0, 1, 1), "a"),
        item(Box(0, 0, 1, 1), "b", sensor="Rear"),
        item(Box(0, 0, 1, 1), "c", sensor="Cam"),
    )
    marks = (Classification("m", Answer("weather", AttributeKind.RADIO, Option("sun"))),)
    packed = packed_to("multisensor-sequence", *strange, classifications=marks)
    assert losses(packed) == [("shape", "a"), ("shape", "b"), ("classification", "m")]
    sensors = {one["name"]: one["attributes"] for one in sent(packed)["attributes"]["sensors"]}
    assert sensors["Lidar"] == []
    assert [len(frame["annotations"]) for frame in sensors["Cam"]["frames"]] == [1, 0]


def test_a_relation_between_views_of_one_track_is_lost() -> None:
    cuboid = Cuboid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0))
    seen = (
        item(cuboid, "a", sensor="Lidar", track="7"),
        item(Box(0, 0, 1, 1), "b", sensor="Cam", track="7"),
        item(Box(2, 0, 1, 1), "c", sensor="Cam", track="8"),
    )
    links = (Relation("link", "a", "b"), Relation("link", "a", "c"))
    packed = packed_to("multisensor-sequence", *seen, relations=links)
    assert losses(packed) == [("relation", "a")]
    assert sent(packed)["attributes"]["links"] == [{"from_id": 7, "to_id": 8}]


SIDE = {"from_id": 1, "to_id": 9, "frames": [{"attributes": {"side": "left"}}, {"attributes": {}}]}


def test_attributes_of_a_link_on_its_frames_are_answers_on_those_frames() -> None:
    found = golden("pointcloud-cuboid-sequence")
    [link] = found.row().relations
    assert link.answers == (Answer("side", AttributeKind.TEXT, "left", ((0, 0),)),)
    assert archived(found.row()) == found.row()


def test_attributes_of_a_link_on_its_frames_survive_edits() -> None:
    found = golden("pointcloud-cuboid-sequence")
    row = archived(found.row())
    first = row.objects[0]
    moved = replace(row, objects=(replace(first, answers=()), *row.objects[1:]))
    for edited in (row, moved):
        packed = pack(opened(edited, elsewhere(found.sample)), found.project)
        assert exact(sent(packed)["attributes"]["links"]) == exact([SIDE])
        assert losses(packed) == []
    renamed = Rename(attributes={"side": "flank"})(row)
    [link] = sent(pack(opened(renamed, elsewhere(found.sample)), found.project))["attributes"]["links"]
    assert link == {**SIDE, "frames": [{"attributes": {"flank": "left"}}, {"attributes": {}}]}


def test_a_changed_link_keeps_what_nobody_changed_of_its_frames() -> None:
    found = golden("pointcloud-cuboid-sequence")
    said = {
        "from_id": 1,
        "to_id": 9,
        "mine": 1.0,
        "attributes": {"count": 2, "none": None},
        "frames": [
            {"attributes": {"side": "left", "no": None}, "more": [1]},
            {},
            {"attributes": {"side": "x"}},
        ],
    }
    label = msgspec.structs.replace(found.label, attributes={**found.attributes, "links": [said]})
    row = read_row(found.sample, label, found.project, {}).row
    [link] = row.relations
    assert [(one.attribute, one.value, one.frames) for one in link.answers] == [
        ("count", 2, None),
        ("side", "left", ((0, 0),)),
        ("side", "x", ((2, 2),)),
    ]
    same = pack(opened(row, elsewhere(found.sample)), found.project)
    assert exact(sent(same)["attributes"]["links"]) == exact([said])
    _, left, right = link.answers
    wider = (replace(left, frames=((0, 1),)), right)
    changed = replace(row, relations=(replace(link, answers=wider),))
    packed = pack(opened(changed, elsewhere(found.sample)), found.project)
    assert sent(packed)["attributes"]["links"] == [
        {
            **said,
            "attributes": {"none": None},
            "frames": [
                {"attributes": {"side": "left", "no": None}, "more": [1]},
                {"attributes": {"side": "left"}},
                {"attributes": {"side": "x"}},
            ],
        }
    ]


def test_a_new_link_has_a_place_for_each_frame_where_its_answers_move() -> None:
    found = golden("pointcloud-cuboid-sequence")
    answers = (
        Answer("side", AttributeKind.TEXT, "left", ((1, 1),)),
        Answer("count", AttributeKind.NUMBER, 3),
    )
    row = foreign(replace(found.row(), relations=(Relation("link", "1", "9", answers),)))
    packed = pack(opened(row, elsewhere(found.sample)), found.project)
    assert sent(packed)["attributes"]["links"] == [
        {
            "from_id": 1,
            "to_id": 9,
            "attributes": {"count": 3},
            "frames": [{"attributes": {}}, {"attributes": {"side": "left"}}],
        }
    ]
    back = read_row(found.sample, put(packed), found.project, {}).row
    assert set(back.relations[0].answers) == set(answers)
