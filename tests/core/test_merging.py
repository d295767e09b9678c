"""What a row learns of its media from the row that was opened for it, and groups that are added to it."""

from dataclasses import replace

import pytest

from pipeline.core.labels import Group, LabelRow, Media, MediaKind, Sensor
from pipeline.core.merging import complete, joined_groups

VIDEO = LabelRow("k", media_kind=MediaKind.VIDEO, media=(Media("v.mp4", width=64, height=48),), frame_count=3)
FRAMES = tuple(Media(f"{number}.png", url=f"https://example.com/{number}.png") for number in range(3))
SEQUENCE = LabelRow("k", media_kind=MediaKind.IMAGE_SEQUENCE, media=FRAMES, frame_count=3)


def sizes(row: LabelRow, sensor: str | None = None) -> list[tuple[int, int] | None]:
    return [row.size_at(frame, sensor) for frame in range(3)]


def test_the_one_file_of_a_video_tells_the_size_of_every_frame_of_a_sequence() -> None:
    found = complete(VIDEO, SEQUENCE)
    assert sizes(found) == [(48, 64)] * 3
    assert [one.name for one in found.media] == ["v.mp4", "1.png", "2.png"]
    assert found.media_kind is MediaKind.IMAGE_SEQUENCE
    assert complete(found, SEQUENCE) is found


def test_a_size_that_the_target_knows_is_not_overruled_by_the_file_of_all_frames() -> None:
    known = replace(SEQUENCE, media=(*FRAMES[:2], replace(FRAMES[2], width=20, height=10)))
    assert sizes(complete(VIDEO, known)) == [(48, 64), (48, 64), (10, 20)]


def test_a_file_of_unknown_size_tells_none() -> None:
    assert sizes(complete(replace(VIDEO, media=(Media("v.mp4"),)), SEQUENCE)) == [None] * 3


def test_pictures_of_their_own_tell_only_their_own_size() -> None:
    two = (Media("a", width=5, height=4), Media("b"))
    assert sizes(complete(replace(SEQUENCE, media=two), SEQUENCE)) == [(4, 5), None, None]


def test_the_one_file_of_a_sensor_tells_the_size_of_its_frames() -> None:
    mine = Sensor("cam", MediaKind.VIDEO, VIDEO.media, 3)
    theirs = Sensor("cam", MediaKind.IMAGE_SEQUENCE, FRAMES, 3)
    rig = LabelRow("k", media_kind=MediaKind.MULTI_SENSOR, frame_count=3)
    found = complete(replace(rig, sensors=(mine,)), replace(rig, sensors=(theirs,)))
    assert sizes(found, "cam") == [(48, 64)] * 3


# ---- groups -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"h": "cd"}, {"g": "ab", "h": "cd"}),
        ({"g": "ab"}, {"g": "ab"}),
        ({"h": "ba"}, {"g": "ab"}),
        ({"g": "bc"}, {"g": "abc"}),
        ({"g": "cd"}, {"g": "ab", "g@k": "cd"}),
        ({"h": "bc"}, {"g": "ab", "h": "bc"}),
        ({"g": "cd", "g@k": "e"}, {"g": "ab", "g@k": "cd", "g@k@k": "e"}),
        ({}, {"g": "ab"}),
    ],
)
def test_groups_that_are_added_are_neither_doubled_nor_taken_for_others(
    more: dict[str, str], expected: dict[str, str]
) -> None:
    there = (Group("g", ("a", "b")),)
    new = [Group(key, tuple(names)) for key, names in more.items()]
    found = joined_groups(there, new, "k")
    assert {group.id: "".join(group.objects) for group in found} == expected
    assert joined_groups(found, new, "k") == found


def test_a_third_group_of_one_key_has_a_key_of_its_own() -> None:
    found: tuple[Group, ...] = ()
    for members in ("ab", "cd", "ef", "gh"):
        found = joined_groups(found, [Group("g", tuple(members))], "k")
    assert [group.id for group in found] == ["g", "g@k", "g@k-2", "g@k-3"]
