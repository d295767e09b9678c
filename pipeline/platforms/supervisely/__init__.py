"""Supervisely: projects of images on a server, and exports of them on disk."""

from pathlib import Path

from pipeline.core.losses import Features
from pipeline.platforms.supervisely.adapter import address, connect
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.stand_in import serve
from pipeline.platforms.supervisely.wire import DRAWN, MASK_CODEC
from pipeline.ports import Platform


def _folder(settings: Settings) -> Path | None:
    return settings.folder.expanduser() if settings.folder is not None else None


PLATFORM = Platform(
    name="supervisely",
    title="Supervisely (images)",
    settings=Settings,
    features=Features(
        shapes=DRAWN,
        mask_codec=MASK_CODEC,
        frames=False,
        dynamic=False,
        groups=True,
        tracks=False,
        confidence=False,
        creates=True,
    ),
    connect=connect,
    address=address,
    stand_in=serve,
    folder=_folder,
)
