"""A sample and a label of every dataset type, in the published formats, with all that the SDK can say.

Every value differs from the others where it can, so that one in the wrong place is seen.
"""

from copy import deepcopy
from typing import Any

Json = dict[str, Any]

SITE = "https://example.com/media"
QUATERNION = {"qx": 0.0, "qy": 0.0, "qz": 0.149438132473599, "qw": 0.988771077936042}

TASK_ATTRIBUTES: Json = {
    "format_version": "0.1",
    "categories": [
        {
            "id": 1,
            "name": "vehicle",
            "color": [10, 200, 30],
            "has_instances": True,
            "circle_radius": 4,
            "attributes": [
                {"name": "hue", "input_type": "select", "values": ["red", "blue"], "is_mandatory": True},
                {"name": "speed", "input_type": "number", "min": 0, "max": 90.5, "is_track_level": False},
                {"name": "marks", "input_type": "multiselect", "values": ["dent", "rust"]},
                {"name": "plate", "input_type": "text", "default_value": "none"},
                {"name": "parked", "input_type": "checkbox", "default_value": True},
                {"name": "pull", "input_type": "vector3"},
                {"name": "turn", "input_type": "quaternion"},
                {"name": "hull", "input_type": "points"},
            ],
            "link_attributes": [{"name": "side", "input_type": "text"}],
            "link_category_restrictions": [2],
        },
        {"id": 2, "name": "trailer", "link_category_restrictions": []},
    ],
    "image_attributes": [{"name": "weather", "input_type": "text"}],
}

OBJECT = {"hue": "red", "speed": 12.5, "marks": ["dent", "rust"], "plate": "LF 1", "parked": False}
WEATHER = {"weather": "rain"}
LINKS = [{"from_id": 1, "to_id": 2, "attributes": {"side": "left"}}]


def image(name: str = "a.png") -> Json:
    return {"image": {"url": f"{SITE}/{name}"}}


def cloud(name: str = "a.bin") -> Json:
    return {
        "pcd": {"url": f"{SITE}/{name}", "type": "kitti"},
        "images": [],
        "ego_pose": {"position": {"x": 1.5, "y": 0, "z": -2}, "heading": QUATERNION},
        "default_z": 0.25,
    }


def image_frames() -> Json:
    frames = [{**image(f"{n}.png"), "name": f"f{n}", "timestamp": f"0000{n}"} for n in range(2)]
    return {"frames": frames}


def cloud_frames() -> Json:
    frames = [{**cloud(f"{n}.bin"), "name": f"f{n}", "timestamp": 1700000000000000001 + n} for n in range(2)]
    return {"frames": frames}


def sensors() -> Json:
    return {
        "sensors": [
            {"name": "Lidar", "task_type": "pointcloud-cuboid-sequence", "attributes": cloud_frames()},
            {"name": "Left", "task_type": "image-vector-sequence", "attributes": image_frames()},
            {"name": "Mask", "task_type": "image-segmentation-sequence", "attributes": image_frames()},
            {"name": "Points", "task_type": "pointcloud-segmentation-sequence", "attributes": cloud_frames()},
            {"name": "Lines", "task_type": "pointcloud-vector-sequence", "attributes": cloud_frames()},
        ]
    }


# ---- annotations --------------------------------------------------------------------------------------


def _boxes() -> list[Json]:
    return [
        {"id": 1, "category_id": 1, "type": "bbox", "points": [[10, 20.5], [30, 40]], "attributes": OBJECT},
        {"id": 9, "category_id": 2, "type": "bbox", "points": [[1, 2], [3, 4]]},
    ]


def _vectors() -> list[Json]:
    return [
        *_boxes(),
        {"id": 2, "category_id": 1, "type": "polygon", "points": [[0, 0], [9, 0.125], [9, 9]]},
        {"id": 3, "category_id": 2, "type": "polyline", "points": [[0, 0], [5, 5]]},
        {"id": 4, "category_id": 2, "type": "point", "points": [[7, 7]]},
    ]


def _cuboid(number: int = 1) -> Json:
    return {
        "id": number,
        "category_id": 1,
        "type": "cuboid",
        "position": {"x": 1, "y": 2.5, "z": 0},
        "dimensions": {"x": 4, "y": 2, "z": 1.5},
        "yaw": 0.3,
        "rotation": QUATERNION,
        "attributes": OBJECT,
    }


def _solids() -> list[Json]:
    return [
        {"id": 2, "category_id": 1, "type": "polygon", "points": [[0, 0, 1], [9, 0, 1.5], [9, 9, 2]]},
        {"id": 3, "category_id": 2, "type": "polyline", "points": [[0, 0, 0], [5, 5, -1]]},
        {"id": 4, "category_id": 2, "type": "point", "points": [[7, 7, 7]]},
        _cuboid(5),
    ]


def _numbered() -> list[Json]:
    return [{"id": 1, "category_id": 1, "attributes": OBJECT}, {"id": 70000, "category_id": 2}]


def _tracked(annotations: list[Json], at: int) -> list[Json]:
    """The annotations of frame `at`: ids and track ids are numbers of their own."""
    return [
        {**one, "id": one["id"] + at, "track_id": 100 + one["id"], "is_keyframe": at == 0}
        for one in annotations
    ]


def _frames(annotations: list[Json], version: str, own: str, **more: Any) -> Json:  # noqa: ANN401
    frames = [
        {"format_version": own, "annotations": _tracked(annotations, at), "image_attributes": WEATHER, **more}
        for at in range(2)
    ]
    return {"format_version": version, "frames": frames}


def _of_sensors(bitmap: str) -> Json:
    found = {name: label(f"{name}-sequence", bitmap) for name in ("pointcloud-cuboid", "image-vector")}
    for one in found.values():
        one.pop("links", None)
    mask = label("image-segmentation-sequence", bitmap)
    return {
        "sensors": [
            {
                "name": "Lidar",
                "task_type": "pointcloud-cuboid-sequence",
                "attributes": found["pointcloud-cuboid"],
            },
            {"name": "Left", "task_type": "image-vector-sequence", "attributes": found["image-vector"]},
            {"name": "Mask", "task_type": "image-segmentation-sequence", "attributes": mask},
            {"name": "Points", "task_type": "pointcloud-segmentation-sequence", "attributes": []},
            {"name": "Lines", "task_type": "pointcloud-vector-sequence", "attributes": []},
        ],
        "links": LINKS,
    }


SAMPLES: dict[str, Json] = {
    "segmentation-bitmap": image(),
    "segmentation-bitmap-highres": image(),
    "image-segmentation-sequence": image_frames(),
    "bboxes": image(),
    "vector": image(),
    "keypoints": image(),
    "image-vector-sequence": image_frames(),
    "pointcloud-cuboid": cloud(),
    "pointcloud-cuboid-sequence": cloud_frames(),
    "pointcloud-segmentation": cloud(),
    "pointcloud-segmentation-sequence": cloud_frames(),
    "pointcloud-vector": cloud(),
    "pointcloud-vector-sequence": cloud_frames(),
    "multisensor-sequence": sensors(),
}
"""The attributes of a sample of every dataset type."""


def label(task_type: str, bitmap: str) -> Json:
    """The attributes of a label of this type, with all that the SDK can say; `bitmap` is a URL."""
    picture, points = {"segmentation_bitmap": {"url": bitmap}}, {"point_annotations": [0, 1, 1, 70000]}
    later = {"point_annotations": [0, 101, 170000]}
    flat = {"format_version": "0.1", "image_attributes": WEATHER}
    solid = {"format_version": "0.2", "image_attributes": WEATHER, "links": LINKS}
    found: dict[str, Json] = {
        "segmentation-bitmap": {**flat, "annotations": _numbered(), **picture},
        "segmentation-bitmap-highres": {**flat, "annotations": _numbered(), **picture},
        "image-segmentation-sequence": _frames(_numbered(), "0.1", "0.1", **picture),
        "bboxes": {**flat, "annotations": _boxes()},
        "vector": {**flat, "annotations": _vectors()},
        "keypoints": {**flat, "annotations": _vectors()[-1:]},
        "image-vector-sequence": _frames(_vectors(), "0.2", "0.1", timestamp="1700000000000000001"),
        "pointcloud-cuboid": {**solid, "annotations": [_cuboid()]},
        "pointcloud-cuboid-sequence": _frames([_cuboid()], "0.2", "0.2") | {"links": LINKS},
        "pointcloud-segmentation": {**flat, "annotations": _numbered(), **points},
        "pointcloud-segmentation-sequence": _frames(_numbered(), "0.2", "0.2", **later),
        "pointcloud-vector": {**solid, "format_version": "0.1", "annotations": _solids()},
        "pointcloud-vector-sequence": _frames(_solids(), "0.2", "0.2") | {"links": LINKS},
    }
    return deepcopy(_of_sensors(bitmap) if task_type == "multisensor-sequence" else found[task_type])
