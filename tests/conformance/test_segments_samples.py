"""What samples of Segments.ai show, and the samples that are made for rows."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.geometry import Box, Cuboid
from pipeline.core.labels import LabelRow, Media, MediaKind, ObjectInstance, Occurrence, Raw, Sensor
from pipeline.errors import RowError
from pipeline.platforms.segments.convert.kinds import KINDS
from pipeline.platforms.segments.convert.samples import (
    SAMPLE,
    Seen,
    frames_of,
    media_list,
    media_of,
    sample_attributes,
)

IMAGES = {
    "frames": [
        {
            "image": {"url": "https://h/0.png", "signed_url": "https://h/0.png?x=1"},
            "name": "f0",
            "timestamp": "00001",
        },
        {"image": {"url": "https://h/1.png"}},
    ]
}
CLOUD = {
    "pcd": {"url": "https://h/a.bin", "type": "kitti"},
    "images": [{"url": "https://h/c.png", "row": 0, "col": 1, "distortion": {"model": "fisheye"}}],
    "ego_pose": {"position": {"x": 0, "y": 0, "z": 0}, "heading": {"qx": 0, "qy": 0, "qz": 0, "qw": 1}},
    "default_z": 0,
    "name": "f0",
    "timestamp": 1700000000000000000,
    "unknown": [1, 2.0],
}
CLOUDS = {"frames": [CLOUD, {"pcd": {"url": "https://h/b.pcd", "type": "pcd"}}], "ortho_images": []}
RIG = {
    "sensors": [
        {"name": "Lidar", "task_type": "pointcloud-cuboid-sequence", "attributes": CLOUDS, "extra": 1},
        {"name": "Cam", "task_type": "image-vector-sequence", "attributes": IMAGES},
    ]
}
SAMPLES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("vector", {"image": {"url": "https://h/a.png"}}, ["https://h/a.png"]),
    ("segmentation-bitmap", {"image": {"url": "https://h/a.png"}, "k": 1}, ["https://h/a.png"]),
    ("image-segmentation-sequence", IMAGES, ["https://h/0.png", "https://h/1.png"]),
    ("pointcloud-cuboid", CLOUD, ["https://h/a.bin"]),
    ("pointcloud-vector-sequence", CLOUDS, ["https://h/a.bin", "https://h/b.pcd"]),
    (
        "multisensor-sequence",
        RIG,
        ["https://h/a.bin", "https://h/b.pcd", "https://h/0.png", "https://h/1.png"],
    ),
]


def row_of(task_type: str, attributes: dict[str, Any]) -> LabelRow:
    seen = media_of(task_type, attributes)
    return LabelRow(
        "k", "rig", seen.media_kind, seen.media, seen.frame_count, sensors=seen.sensors,
        raw=Raw("segments", {SAMPLE: {"attributes": attributes}}),
    )  # fmt: skip


# ---- reading ----------------------------------------------------------------------------------------------


def test_a_sequence_has_one_medium_for_each_frame() -> None:
    kind = KINDS["image-vector-sequence"]
    assert media_of(kind.task_type, IMAGES) == Seen(
        MediaKind.IMAGE_SEQUENCE,
        (Media("f0", url="https://h/0.png"), Media(url="https://h/1.png")),
        2,
    )
    assert [frame.get("timestamp") for frame in frames_of(kind, IMAGES)] == ["00001", None]
    assert frames_of(KINDS["pointcloud-cuboid"], CLOUD) == (CLOUD,)


def test_sensors_are_those_of_the_sample_in_its_order() -> None:
    seen = media_of("multisensor-sequence", RIG)
    assert (seen.media_kind, seen.media, seen.frame_count) == (MediaKind.MULTI_SENSOR, (), 2)
    lidar, camera = seen.sensors
    assert lidar == Sensor(
        "Lidar",
        MediaKind.POINT_CLOUD_SEQUENCE,
        (Media("f0", url="https://h/a.bin"), Media(url="https://h/b.pcd")),
        2,
        Raw("segments", {"task_type": "pointcloud-cuboid-sequence", "extra": 1}),
    )
    assert (camera.name, camera.media_kind) == ("Cam", MediaKind.IMAGE_SEQUENCE)


@pytest.mark.parametrize(
    ("task_type", "attributes", "words"),
    [
        ("vector", None, "no image with a url"),
        ("vector", CLOUD, "no image with a url"),
        ("vector", {"text": "words"}, "no image"),
        ("vector", {"image": {"url": 3}}, "no image"),
        ("pointcloud-cuboid", {"image": {"url": "u"}}, "no pcd with a url"),
        ("image-vector-sequence", {"frames": []}, "no frames"),
        ("image-vector-sequence", {"image": {"url": "u"}}, "no frames"),
        ("image-vector-sequence", {"frames": ["u"]}, "AttributeError"),
        ("multisensor-sequence", {"sensors": []}, "its sensors are none"),
        ("multisensor-sequence", {"sensors": RIG["sensors"] * 2}, "each of another name"),
        (
            "multisensor-sequence",
            {"sensors": [{"name": "a", "task_type": "vector"}]},
            "sensors have the types",
        ),
        ("multisensor-sequence", {"sensors": [{"name": "a"}]}, "KeyError"),
    ],
)
def test_another_kind_of_sample_is_an_error_of_its_row(
    task_type: str, attributes: dict[str, Any] | None, words: str
) -> None:
    with pytest.raises(RowError, match=f"row 'a.png': it is not a sample .* type {task_type}: .*{words}"):
        media_of(task_type, attributes, "a.png")


# ---- writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task_type", "attributes", "urls"), SAMPLES)
def test_a_row_that_came_from_a_sample_changes_nothing_but_the_urls(
    task_type: str, attributes: dict[str, Any], urls: list[str]
) -> None:
    before, kind, row = deepcopy(attributes), KINDS[task_type], row_of(task_type, attributes)
    assert [item.url for item in media_list(row)] == urls
    expected = json.loads(json.dumps(attributes).replace(', "signed_url": "https://h/0.png?x=1"', ""))
    assert sample_attributes(row, urls, kind) == expected
    moved = json.dumps(sample_attributes(row, [f"new:{n}" for n in range(len(urls))], kind))
    for n, url in enumerate(urls):
        moved = moved.replace(f'"new:{n}"', f'"{url}"')
    assert json.loads(moved) == expected
    assert attributes == before


@pytest.mark.parametrize(("task_type", "attributes", "urls"), SAMPLES)
def test_a_new_sample_shows_the_same(task_type: str, attributes: dict[str, Any], urls: list[str]) -> None:
    row = replace(row_of(task_type, attributes), raw=None)
    made = media_of(task_type, sample_attributes(row, urls, KINDS[task_type]))
    nameless = tuple(replace(item, name="") for item in row.media) if len(urls) == 1 else row.media
    bare = [(item.name, item.media) for item in row.sensors]
    assert (made.media, [(item.name, item.media) for item in made.sensors]) == (nameless, bare)


def test_a_sample_that_the_row_no_longer_fits_is_made_anew() -> None:
    row = row_of("image-vector-sequence", IMAGES)
    row = replace(row, media=row.media[:1], frame_count=1)
    assert sample_attributes(row, ["u"], KINDS["vector"]) == {"image": {"url": "u"}}
    assert sample_attributes(row, ["u"], KINDS["image-vector-sequence"]) == {
        "frames": [{"image": {"url": "u"}, "name": "f0"}]
    }


def test_a_new_sensor_has_a_type_that_holds_its_labels() -> None:
    sensors = (
        Sensor("top", MediaKind.POINT_CLOUD_SEQUENCE, (Media("0.ply"),), 1),
        Sensor("cam", MediaKind.IMAGE_SEQUENCE, (Media(),), 1),
    )
    cuboid = Occurrence(Cuboid((0, 0, 0), (1, 1, 1), (0, 0, 0, 1)))
    objects = (
        ObjectInstance("a", "car", {0: cuboid}, sensor="top"),
        ObjectInstance("b", "car", {0: Occurrence(Box(0, 0, 1, 1))}, sensor="cam"),
    )
    row = LabelRow("k", "t", MediaKind.MULTI_SENSOR, (), 1, objects=objects, sensors=sensors)
    assert sample_attributes(row, ["u", "v"], KINDS["multisensor-sequence"]) == {
        "sensors": [
            {
                "name": "top",
                "task_type": "pointcloud-cuboid-sequence",
                "attributes": {"frames": [{"pcd": {"url": "u", "type": "ply"}, "name": "0.ply"}]},
            },
            {
                "name": "cam",
                "task_type": "image-vector-sequence",
                "attributes": {"frames": [{"image": {"url": "v"}}]},
            },
        ]
    }


@pytest.mark.parametrize(
    ("media", "url", "expected"),
    [
        (Media("a.PCD"), "u", "pcd"),
        (Media(path="x/a.pcd.bin"), "u", "nuscenes"),
        (Media(url="https://h/a%20b.bin?sig=a.ply"), "u", "kitti"),
        (Media("frame 1"), "https://h/a.las", "las"),
    ],
)
def test_the_type_of_a_cloud_is_that_of_its_file(media: Media, url: str, expected: str) -> None:
    row = LabelRow("k", media_kind=MediaKind.POINT_CLOUD, media=(media,))
    assert sample_attributes(row, [url], KINDS["pointcloud-cuboid"])["pcd"]["type"] == expected


@pytest.mark.parametrize(
    ("row", "task_type", "words"),
    [
        (LabelRow("k", "v", MediaKind.VIDEO, (Media(),), 9), "image-vector-sequence", "9 frames in 1 files"),
        (LabelRow("k", "v", MediaKind.VIDEO, (Media(),), None), "image-vector-sequence", "some frames in 1"),
        (LabelRow("k", "v", MediaKind.POINT_CLOUD, (Media(),)), "vector", "of kind point_cloud"),
        (
            LabelRow("k", "v", MediaKind.POINT_CLOUD, (Media("a.txt"),)),
            "pointcloud-cuboid",
            "'a.txt' is of no",
        ),
        (LabelRow("k", "v", MediaKind.IMAGE, (Media(),)), "multisensor-sequence", "without the sensors"),
        (LabelRow("k", "v", MediaKind.IMAGE_GROUP, (Media(), Media()), 2), "vector", "2 frames; a sample of"),
        (LabelRow("k", "v", MediaKind.IMAGE_GROUP, (Media(), Media()), 2), "vector", "image-vector-sequence"),
        (row_of("multisensor-sequence", RIG), "vector", "of kind multi_sensor"),
    ],
)
def test_what_such_a_sample_cannot_show_is_an_error(row: LabelRow, task_type: str, words: str) -> None:
    with pytest.raises(RowError, match=f"row '(v|rig)': .*{words}"):
        sample_attributes(row, ["u"] * len(media_list(row)), KINDS[task_type])


def test_each_medium_needs_a_url() -> None:
    with pytest.raises(RowError, match="1 URLs for 2 pictures"):
        sample_attributes(row_of("image-vector-sequence", IMAGES), ["u"], KINDS["image-vector-sequence"])
