"""Encord: projects of images, image groups, image sequences and videos."""

from pipeline.core.losses import Features
from pipeline.platforms.encord.adapter import address, connect
from pipeline.platforms.encord.settings import Settings
from pipeline.platforms.encord.stand_in import serve
from pipeline.platforms.encord.wire import DRAWN, MASK_CODEC
from pipeline.ports import Platform

PLATFORM = Platform(
    name="encord",
    title="Encord",
    settings=Settings,
    features=Features(shapes=DRAWN, mask_codec=MASK_CODEC, relations=True),
    connect=connect,
    address=address,
    stand_in=serve,
)
