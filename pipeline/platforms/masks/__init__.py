"""Folders of images with one picture for each mask."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.geometry import Shape
from pipeline.core.losses import Features
from pipeline.platforms.masks.adapter import connect
from pipeline.platforms.masks.settings import Settings
from pipeline.ports import Platform


def _address(rest: str, fragment: str) -> Mapping[str, Any]:
    return {"path": f"{rest}#{fragment}" if fragment else rest}


PLATFORM = Platform(
    name="masks",
    title="Masks as pictures, one a file",
    settings=Settings,
    features=Features(
        shapes=frozenset({Shape.MASK}),
        frames=False,
        attributes=False,
        dynamic=False,
        classifications=False,
        tracks=False,
        confidence=False,
        writes=False,
    ),
    connect=connect,
    address=_address,
    folder=lambda settings: settings.pictures,
)
