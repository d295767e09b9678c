"""The samples of a dataset, as they came: in order, found by uuid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import TransientError
from pipeline.io.entries import Entries
from pipeline.platforms.segments.wire import UNLABELED, Sample

_ALL = 0
"""The one list that all samples are of."""


class Picture(msgspec.Struct):
    """Where a picture is."""

    url: str | None = None


class Place(msgspec.Struct):
    """What a sample annotates, as far as it is used."""

    image: Picture | None = None


class Mark(msgspec.Struct):
    """How far a label is."""

    label_status: str | None = None


class Head(msgspec.Struct, frozen=True):
    """What choosing and matching need of a sample."""

    uuid: str
    name: str = ""
    metadata: dict[str, Any] | None = None
    attributes: Place | None = None
    label: Mark | None = None

    @property
    def url(self) -> str | None:
        """The address of its picture, where it has one."""
        return self.attributes.image.url if self.attributes and self.attributes.image else None

    @property
    def status(self) -> str:
        """How far its label is; without one it is unlabelled."""
        return (self.label and self.label.label_status) or UNLABELED


class Spool(Entries[Head, Sample]):
    """A listing of samples."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, _HEADS, _SAMPLES)

    async def clear(self) -> None:
        """Forget all samples."""
        await self.forget(_ALL)

    async def add(self, bodies: Sequence[msgspec.Raw]) -> int:
        """Add samples that are not there yet, as they came. Returns how many there were.

        Raises TransientError where one is not as a sample should be.
        """
        try:
            heads = [msgspec.json.decode(body, type=Head) for body in bodies]
        except (msgspec.DecodeError, ValueError) as error:
            raise TransientError(f"a sample of Segments.ai is not as expected: {error}") from error
        return await self.put(_ALL, [head.uuid for head in heads], heads, bodies)

    async def samples(self, uuids: Sequence[str]) -> dict[str, Sample]:
        """Return whole samples by uuid."""
        return {sample.uuid: sample for _, sample in await self.bodies(uuids)}


_HEADS = msgspec.json.Decoder(list[tuple[int, Head]])
_SAMPLES = msgspec.json.Decoder(list[tuple[int, Sample]])
