"""Segments.ai: datasets of images, image sequences, point clouds, and several sensors."""

from pipeline.core.losses import Features
from pipeline.platforms.segments.adapter import address, connect
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.stand_in import serve
from pipeline.platforms.segments.wire import DRAWN, MASK_CODEC
from pipeline.ports import Platform

PLATFORM = Platform(
    name="segments",
    title="Segments.ai",
    settings=Settings,
    features=Features(
        shapes=DRAWN,
        mask_codec=MASK_CODEC,
        holes=False,
        parts=False,
        keyframes=True,
        confidence=False,
        creates=True,
    ),
    connect=connect,
    address=address,
    stand_in=serve,
)
