"""Links, groups and sensors of Segments.ai."""

from dataclasses import replace

import msgspec

from pipeline.core.geometry import (
    Box,
    Cuboid,
)
from pipeline.core.labels import (
    Answer,
    Classification,
    Group,
    Option,
    Relation,
)
from pipeline.core.ontology import AttributeKind
from pipeline.platforms.segments.convert import Rules, read_row
from tests.conformance.segments_labels import (
    elsewhere,
    exact,
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
