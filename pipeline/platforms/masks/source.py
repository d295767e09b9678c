"""Reads a folder of masks: image by image, the files of each when its row is read."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from stat import S_ISREG

from anyio import to_thread

from pipeline.core.headers import image_size
from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, UsageError
from pipeline.platforms.masks.convert import read_key, read_mask, read_ontology, read_row
from pipeline.platforms.masks.listing import ImageFile, Listing, listed
from pipeline.platforms.masks.settings import Settings
from pipeline.ports import MOST_MEDIA, RowChoice, StillToDo

ROWS = 500
"""Images that are asked about at once."""
_HEAD = 64
"""Bytes of a PNG file in which its size is."""
_HEADS = (1 << 16, 1 << 20)
"""Bytes of an image in which its size is: these, then these."""


class MasksSource:
    """One row for each image."""

    restartable = True

    def __init__(self, settings: Settings, choice: RowChoice) -> None:
        self._settings = settings
        self._choice = choice
        self._listing: Listing | None = None

    async def ontology(self) -> Ontology | None:
        """Return the classes of the masks. Raises UsageError as `keys`."""
        return read_ontology(await self.listing())

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the key of every chosen image.

        Raises UsageError for a folder that cannot be read, no image, no mask, and masks of no image or two.
        """
        for batch in await self._batches():
            for key in await to_thread.run_sync(self._keys, batch):
                yield key

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the chosen images that are still to do; one with a broken mask comes as a Rejection."""
        for batch in await self._batches():
            keys = await to_thread.run_sync(self._keys, batch)
            left = await wanted(keys)
            for key, (_, image) in zip(keys, batch, strict=True):
                if key.key in left:
                    yield await to_thread.run_sync(self._task, key, image)

    async def listing(self) -> Listing:
        """Return what files there are, as they were when it was first asked for."""
        if self._choice.status:
            raise UsageError("files have no status; choose rows by titles, ids or limit")
        if self._listing is None:
            self._listing = await to_thread.run_sync(listed, self._settings)
        return self._listing

    async def _batches(self) -> list[list[tuple[int, ImageFile]]]:
        images = [image for image in (await self.listing()).images if self._fits(image)]
        chosen = list(enumerate(images[: self._choice.limit]))
        return [chosen[at : at + ROWS] for at in range(0, len(chosen), ROWS)]

    def _fits(self, image: ImageFile) -> bool:
        return self._choice.fits(image.name.rpartition("/")[2], (image.name,))

    def _keys(self, batch: Sequence[tuple[int, ImageFile]]) -> list[RowKey]:
        return [read_key(image, ordinal, self._mask_pixels(image)) for ordinal, image in batch]

    def _mask_pixels(self, image: ImageFile) -> int:
        """Return how many pixels the masks have, by the size of the first, as far as it can be told."""
        if not image.masks:
            return 0
        try:
            size = image_size(_read(self._settings.mask_folder / image.masks[0].name, _HEAD, whole=False))
        except RowError:
            return 0
        return size[0] * size[1] * len(image.masks) if size else 0

    def _task(self, key: RowKey, image: ImageFile) -> LabelTask | Rejection:
        settings = self._settings
        bytes_read = 0
        try:
            size = self._size(image)
            masks = []
            for one in image.masks:
                data = _read(settings.mask_folder / one.name, MOST_MEDIA, whole=True)
                bytes_read += len(data)
                masks.append((one.name, one.class_name, read_mask(one.name, data, settings.threshold)))
            row = read_row(image, size, masks, skip_empty=settings.empty == "skip")
        except RowError as error:
            return Rejection(key, "read", f"image {image.name}: {error}")
        return LabelTask(key, row, bytes_read)

    def _size(self, image: ImageFile) -> tuple[int, int] | None:
        for most in _HEADS:
            head = _read(self._settings.pictures / image.name, most, whole=False)
            size = image_size(head)
            if size is not None or len(head) < most:
                return size
        return None


def _read(path: Path, most: int, *, whole: bool) -> bytes:
    """Return a file of at most so many bytes, or its first ones. Raises RowError that names it."""
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not S_ISREG(path.stat().st_mode):
            raise RowError(f"{path} is no file")
        with path.open("rb") as file:
            data = file.read(most + 1 if whole else most)
    except OSError as error:
        raise RowError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > most:
        raise RowError(f"{path} is longer than {most} bytes, the most that is taken")
    return data
