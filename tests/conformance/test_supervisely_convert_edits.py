"""The recorded annotation after operations, in place and on copies: what changed is patched into it."""

import base64
import json
import zlib
from dataclasses import replace

from pipeline.core.geometry import (
    Box,
    Cuboid2D,
)
from pipeline.core.labels import Group, Occurrence, Option
from pipeline.core.losses import LossKind
from pipeline.core.operations.bind import Bind, Unbind
from pipeline.platforms.supervisely.convert import (
    group_key,
    pack_row,
    read_row,
)
from pipeline.platforms.supervisely.convert.geometry import VERTICES
from tests.conformance.supervisely_golden import (
    ELSEWHERE,
    GEOMETRIES,
    IMAGE,
    PROJECT,
    ROW,
    SAID,
    copy,
    edit,
    labels,
    object_of,
    partition,
    with_object,
)
from tests.conformance.supervisely_labels import in_place, kept, sent

# ---- edits ----------------------------------------------------------------------------------------------


def test_what_changed_is_patched_into_the_label_that_came() -> None:
    item = object_of(ROW, "car")
    moved = replace(item, occurrences={0: replace(item.occurrences[0], geometry=Box(1, 2, 3, 4))})
    label = sent(edit(with_object(ROW, moved)))["objects"][0]
    assert label == {
        **SAID["objects"][0],
        "points": {"exterior": [[1, 2], [4, 6]], "interior": []},
    }


def test_one_changed_answer_leaves_the_other_tags_as_they_are() -> None:
    item = object_of(ROW, "car")
    answers = tuple(
        replace(one, value=Option("blue")) if one.attribute == "colour" else one for one in item.answers
    )
    tags = sent(edit(with_object(ROW, replace(item, answers=answers))))["objects"][0]["tags"]
    came = SAID["objects"][0]["tags"]
    assert tags[2] == {"name": "colour", "value": "blue"}
    assert tags[:2] == came[:2]
    assert tags[3:6] == came[3:6]
    assert tags[6]["value"] == 0.25


def test_a_label_of_another_class_and_shape_keeps_nothing_of_the_old_drawing() -> None:
    item = object_of(ROW, "turned")
    changed = replace(item, class_name="car", occurrences={0: Occurrence(Box(1.0, 2.0, 3.0, 4.0))})
    label = sent(edit(with_object(ROW, changed)))["objects"][2]
    assert (label["classTitle"], label["classId"], label["geometryType"]) == ("car", 11, "rectangle")
    assert "angle" not in label
    assert label["id"] == 5003


def test_a_changed_cuboid_keeps_its_face_but_not_its_pose() -> None:
    item = object_of(ROW, "crate")
    drawn = item.occurrences[0].geometry
    assert isinstance(drawn, Cuboid2D)
    moved = replace(drawn, front=tuple((x + 1, y) for x, y in drawn.front))
    label = labels(edit(with_object(ROW, replace(item, occurrences={0: Occurrence(moved)}))))["crate"]
    assert list(label["vertices"]) == list(VERTICES)
    assert label["vertices"]["face1-topleft"]["loc"] == [6, 10]
    assert "position" not in label
    assert label["face"] == ["face2-topleft", "face2-topright"]


def test_the_status_of_a_label_follows_who_made_it() -> None:
    item = object_of(ROW, "turned")
    machine = replace(item.occurrences[0].provenance, manual=False)
    found = replace(item, occurrences={0: replace(item.occurrences[0], provenance=machine)})
    label = labels(edit(with_object(ROW, found)))["turned"]
    assert (label["nnCreated"], label["nnUpdated"]) == (True, True)
    assert labels(copy(ROW))["turned"]["nnCreated"] is True
    assert labels(copy(ROW))["turned"]["nnUpdated"] is False


# ---- groups ---------------------------------------------------------------------------------------------


def test_a_group_in_place_keeps_its_key_until_its_members_change() -> None:
    assert [one.get("instance") for one in sent(edit(ROW))["objects"][:2]] == [5002, 5002]
    fewer = replace(ROW, groups=(replace(ROW.groups[0], objects=("5001",)), ROW.groups[1]))
    first, second = sent(edit(fewer))["objects"][:2]
    assert first["instance"] == group_key("1004", "5002")
    assert "instance" not in second


def test_a_copy_gets_fresh_keys_that_are_no_ids() -> None:
    packed = copy(ROW)
    keys = {one["instance"] for one in labels(packed).values() if "instance" in one}
    assert keys == {group_key("2001", "5002"), group_key("2001", "5009")}
    assert all(key.startswith("lf-") for key in keys)
    assert partition(packed) == [["car"], ["part", "lake", "smoke"]]


def test_groups_are_made_and_discarded_in_place_and_on_copies() -> None:
    loose = Unbind(all=True)(ROW)
    assert partition(edit(loose)) == partition(copy(loose)) == []
    assert not edit(loose).unchanged
    tied = Bind(by="row")(loose)
    everything = sorted({item.class_name for item in ROW.objects})
    for packed in (edit(tied), copy(tied)):
        assert [sorted(names) for names in partition(packed)] == [everything]


def test_an_object_is_in_one_group_and_the_other_is_a_loss() -> None:
    both = replace(ROW, groups=(Group("a", ("5001", "5002")), Group("b", ("5002", "5003"))))
    packed = copy(both)
    assert [(loss.object, loss.what) for loss in packed.losses] == [("5002", LossKind.GROUP)]
    one, two, three = sent(packed)["objects"][:3]
    assert one["instance"] == two["instance"] != three["instance"]


def test_a_label_that_is_not_drawn_stays_in_its_group() -> None:
    said = json.loads(json.dumps(SAID))
    said["objects"][-1]["instance"] = "5009"
    row = read_row(IMAGE, said, PROJECT, GEOMETRIES).row
    packed = pack_row(in_place(IMAGE, said, PROJECT, GEOMETRIES), PROJECT)
    assert labels(packed)["old crate"]["instance"] == "5009"
    assert labels(copy(row))["old crate"]["instance"] == group_key("2001", "5009")
    loose = replace(in_place(IMAGE, said, PROJECT, GEOMETRIES), row=Unbind(all=True)(row))
    assert "instance" not in labels(pack_row(loose, PROJECT))["old crate"]


def test_appended_labels_join_the_groups_that_their_equals_are_in() -> None:
    some = ROW.with_objects(ROW.objects[:2])
    first = copy(replace(some, groups=ROW.groups[:1]))
    there = kept(first, ELSEWHERE)
    third = replace(ROW.objects[2], answers=())
    more = replace(
        ROW.with_objects((*ROW.objects[:2], third)), groups=(Group("g", ("5001", "5002", "5003")),)
    )
    packed = copy(more, there=there, append=True)
    found = sent(packed)["objects"]
    assert [one["classTitle"] for one in found if one["geometryType"] != "cuboid"] == ["car", "car", "turned"]
    assert len({one["instance"] for one in found if "instance" in one}) == 1
    assert [one.get("id") for one in found[:3]] == [5000, 5001, None]
    again = copy(more, there=kept(packed, ELSEWHERE), append=True)
    assert again.unchanged


def test_equal_labels_that_are_bound_in_different_ways_are_appended_once() -> None:
    item = replace(object_of(ROW, "turned"), answers=())
    equal = tuple(replace(item, id=name, raw=None) for name in ("a", "b", "c", "d", "e"))
    groups = (Group("one", ("b", "d")), Group("other", ("c",)))
    row = replace(ROW.with_objects(equal), groups=groups, raw=None)
    there = kept(copy(row), ELSEWHERE)
    assert copy(row, there=there, append=True).unchanged
    loose = copy(replace(row, groups=()), there=there, append=True)
    assert loose.unchanged


def test_a_mask_that_another_tool_compressed_is_the_same_mask() -> None:
    drawn = replace(ROW.with_objects((object_of(ROW, "part"),)), groups=(), raw=None)
    there = kept(copy(drawn), ELSEWHERE)
    assert there.annotation is not None
    [label] = there.annotation["objects"]
    picture = zlib.decompress(base64.b64decode(label["bitmap"]["data"]))
    label["bitmap"]["data"] = base64.b64encode(zlib.compress(picture, 9)).decode()
    assert copy(drawn, there=there).unchanged
    assert copy(drawn, there=there, append=True).unchanged
    label["bitmap"]["origin"][0] += 1
    assert not copy(drawn, there=there).unchanged, "it is another mask"
    assert len(sent(copy(drawn, there=there, append=True))["objects"]) == 2, "it is another mask"
