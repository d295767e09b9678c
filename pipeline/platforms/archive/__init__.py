"""The lossless local format: a folder with one row a line and the ontology beside it."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.geometry import Shape
from pipeline.core.losses import Features
from pipeline.platforms.archive.adapter import connect
from pipeline.platforms.archive.settings import Settings
from pipeline.ports import Platform


def _address(rest: str, fragment: str) -> Mapping[str, Any]:
    return {"path": f"{rest}#{fragment}" if fragment else rest}


PLATFORM = Platform(
    name="archive",
    title="Archive (lossless local folder)",
    settings=Settings,
    features=Features(
        shapes=frozenset(Shape) - {Shape.ANY, Shape.OTHER},
        mask_codec="encord_rle",
        groups=True,
        relations=True,
        keyframes=True,
        row_details=True,
    ),
    connect=connect,
    address=_address,
    folder=lambda settings: settings.pictures,
)
