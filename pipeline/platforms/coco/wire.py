"""COCO's JSON, and the records that wait in part files until the file is joined.

Source of the format: https://cocodataset.org/#format-data and `pycocotools`. Boxes are [x, y, width, height]
in continuous pixels; polygons are flat lists x, y, x, y ...; keypoints are flat lists x, y, v with v 0 (not
labelled), 1 (labelled, not visible) or 2 (visible). `skeleton` counts keypoints from 1.
"""

from typing import Any, TypeAlias

from msgspec import Raw, Struct

Json: TypeAlias = dict[str, Any]
Id: TypeAlias = int | str

TIGHT = 0.01
"""A bbox that is the bounds of its polygons within this many pixels says nothing new: COCO writes it with two
decimals."""

PERSON_POINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)  # fmt: skip
PERSON_EDGES = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10),
    (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
"""COCO's one category with keypoints: its 17 points, and its edges, counted from 1."""

PERSON_ID = 1


class PartAnnotation(Struct, array_like=True):
    """One annotation: its class, the category id and id that it had (None: none), keypoint names, itself."""

    class_name: str
    category: Id | None
    id: Id | None
    points: tuple[str, ...]
    body: Raw


class PartRow(Struct, array_like=True):
    """One row: the image's own id (None: none), the image and its annotations."""

    id: Id | None
    image: Raw
    annotations: tuple[PartAnnotation, ...]
