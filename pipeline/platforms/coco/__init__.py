"""COCO: instances, keypoints and results files."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.geometry import Shape
from pipeline.core.losses import Features
from pipeline.platforms.coco.adapter import connect
from pipeline.platforms.coco.settings import Settings
from pipeline.ports import Platform


def _address(rest: str, fragment: str) -> Mapping[str, Any]:
    return {"annotations": f"{rest}#{fragment}" if fragment else rest}


PLATFORM = Platform(
    name="coco",
    title="COCO (instances, keypoints, results)",
    settings=Settings,
    features=Features(
        shapes=frozenset({Shape.BOX, Shape.POLYGON, Shape.MASK, Shape.SKELETON}),
        mask_codec="coco_rle",
        holes=False,
        frames=False,
        dynamic=False,
        classifications=False,
        tracks=False,
    ),
    connect=connect,
    address=_address,
    folder=lambda settings: settings.pictures,
)
