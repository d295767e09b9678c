"""A COCO file with everything that the platform reads, and rows made of it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

Json = dict[str, Any]

INSTANCES: Json = {
    "info": {"description": "a sample", "year": 2024},
    "licenses": [{"id": 3, "name": "CC BY"}],
    "images": [
        {"id": 1, "file_name": "1.jpg", "height": 40, "width": 50, "license": 3, "coco_url": "http://x.org/1.jpg"},
        {"id": 2, "file_name": "bücher/2.jpg", "height": 6, "width": 5, "own": {"key": [1, 1.0]}},
        {"id": 3, "file_name": "3.jpg", "height": 8, "width": 8},
    ],
    "annotations": [
        # Two parts; its bbox is their bounds, rounded as COCO does, so that it says nothing new.
        {
            "segmentation": [[1.004, 2, 10.5, 2.0, 10.5, 12.25], [20, 20, 30, 20, 30, 31.337]],
            "area": 101.5, "iscrowd": 0, "image_id": 1, "bbox": [1.0, 2, 29.0, 29.34], "category_id": 7,
            "id": 11,
        },
        # A crowd in uncompressed counts.
        {
            "segmentation": {"size": [6, 5], "counts": [7, 4, 2, 4, 13]},
            "area": 8, "iscrowd": 1, "image_id": 2, "bbox": [1, 1, 2, 4], "category_id": 7, "id": 12,
        },
        # A bbox of its own beside polygon and keypoints: three objects.
        {
            "segmentation": [[1, 1, 4, 1, 4, 4]], "num_keypoints": 2, "area": 4.5, "iscrowd": 0,
            "image_id": 2,
            "keypoints": [1, 1, 2, 0, 0, 0, 3.5, 4, 1], "bbox": [0, 0, 5, 5.0], "category_id": 2, "id": 13,
            "attributes": {"occluded": False, "count": 2, "note": "x"}, "custom": {"a": None}, "score": 0.25,
        },
        # Nobody looked for keypoints; the box stands alone.
        {
            "keypoints": [0, 0, 0, 0, 0, 0, 0, 0, 0], "num_keypoints": 0, "segmentation": [], "area": 4,
            "iscrowd": 0, "image_id": 2, "bbox": [1.5, 2, 2, 2], "category_id": 2, "id": 10,
        },
    ],
    "categories": [
        {"id": 2, "name": "person", "supercategory": "person", "keypoints": ["nose", "left", "right"],
         "skeleton": [[1, 2], [1, 3]]},
        {"id": 5, "name": "never used", "supercategory": "thing"},
        {"id": 7, "name": "car", "supercategory": "thing", "colour": "red"},
    ],
}  # fmt: skip


def sample() -> Json:
    """A copy to change."""
    return deepcopy(INSTANCES)


def written(folder: Path, document: object, name: str = "data.json") -> Path:
    """Write a document and return its path."""
    path = folder / name
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path
