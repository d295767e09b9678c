"""The images of a project, as they were listed: in order, found by id."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import TransientError
from pipeline.io.entries import Entries


class Head(msgspec.Struct):
    """What choosing and matching need of an image. `dataset` is set here, whatever a listing says."""

    id: int
    name: str = ""
    dataset: int = 0
    meta: dict[str, Any] | None = None
    labels: int | str | None = msgspec.field(default=None, name="labelsCount")


class Spool(Entries[Head, dict[str, Any]]):
    """The lists of some datasets, each by its id."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, _HEADS, _IMAGES)

    async def add(self, dataset: int, bodies: Sequence[msgspec.Raw]) -> int:
        """Add images of a dataset that are not there yet, as they came. Returns how many there were.

        Raises TransientError where one is not as an image should be.
        """
        try:
            heads = [msgspec.json.decode(body, type=Head) for body in bodies]
        except (msgspec.DecodeError, ValueError) as error:
            raise TransientError(f"an image of Supervisely is not as expected: {error}") from error
        for head in heads:
            head.dataset = dataset
        return await self.put(dataset, [head.id for head in heads], heads, bodies)

    async def images(self, ids: Sequence[int]) -> dict[int, tuple[int, dict[str, Any]]]:
        """Return the dataset of each image and the image as it was listed, by id."""
        return {body["id"]: (dataset, body) for dataset, body in await self.bodies(ids)}


_HEADS = msgspec.json.Decoder(list[tuple[int, Head]])
_IMAGES = msgspec.json.Decoder(list[tuple[int, dict[str, Any]]])
