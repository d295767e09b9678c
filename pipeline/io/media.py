"""The pictures of rows: files below a folder that the job names, on the source's platform, or behind URLs.

Design: docs/decisions/0014-assets.md
"""

import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import Final

from anyio import to_thread

from pipeline.core.headers import image_size
from pipeline.core.labels import Media
from pipeline.errors import RowError
from pipeline.ports import MOST_MEDIA, Assets, Gallery

HEADS: Final = (64 * 1024, 1024 * 1024)
"""Bytes that are read to find a size: these, then these, as thumbnails and colours may come before it."""


class PictureReader:
    """Reads the pictures of one source (`pipeline.ports.Pictures`).

    `Media.path` is taken below `folder` (None: local pictures are refused); a path that leads out of it, by a
    link too, is a RowError. `trusted`: the rows come from the user's own program, so that the working folder
    is the folder, and an absolute path is taken as it is. Where a row names both a path and a URL, the path
    counts if it may be read. `gallery` is the source's platform where that gives pictures out itself: it is
    asked for those that a row names by `Media.ref`.
    """

    def __init__(self, assets: Assets, folder: Path | None = None, *, trusted: bool = False) -> None:
        self._assets = assets
        self._folder = folder
        self._trusted = trusted
        self.gallery: Gallery | None = None

    async def read(self, media: Media, *, most: int = MOST_MEDIA) -> bytes:
        """Return the bytes of one frame's picture. Raises RowError or TransientError."""
        data = await self._bytes(media, most, whole=True)
        if media.sha256 is not None:
            found = await to_thread.run_sync(lambda: sha256(data).hexdigest())
            if found != media.sha256.lower():
                raise RowError(
                    f"picture {_name(media)!r} is not the one that was labelled: its digest differs"
                )
        return data

    async def size_of(self, media: Media) -> tuple[int, int] | None:
        """Return width and height in pixels from the first bytes alone, or None. Raises as `read`."""
        for most in HEADS:
            head = await self._bytes(media, most, whole=False)
            size = image_size(head)
            if size is not None or len(head) < most:
                return size
        return None

    async def _bytes(self, media: Media, most: int, *, whole: bool) -> bytes:
        name = _name(media)
        path = self._path(media)
        if path is not None:
            return await to_thread.run_sync(_read, path, name, most, whole)
        if self.gallery is not None and media.ref is not None:
            return await self._kept(self.gallery, media, most, whole=whole)
        if media.url is None:
            raise RowError(_nowhere(media, name))
        try:
            return await (self._assets.get if whole else self._assets.head)(media.url, most=most)
        except RowError as error:
            raise RowError(f"picture {name!r}: {error}") from None

    async def _kept(self, gallery: Gallery, media: Media, most: int, *, whole: bool) -> bytes:
        try:
            data = await gallery.picture(media, most=most + 1 if whole else most)
        except RowError as error:
            raise RowError(f"picture {_name(media)!r}: {error}") from None
        if len(data) > most:
            raise RowError(f"picture {_name(media)!r} is longer than {most} bytes, the most that is taken")
        return data

    def _path(self, media: Media) -> Path | None:
        """Return where a local picture is, as far as its row may say so. Raises RowError."""
        if media.path is None or (self._folder is None and not self._trusted):
            return None
        folder = (self._folder or Path.cwd()).resolve()
        try:
            path = (folder / media.path).resolve()
            os.fsencode(path)
        except (OSError, RuntimeError, ValueError):  # a loop of links; a character that no path has
            raise RowError(f"picture {_name(media)!r}: its path leads nowhere") from None
        if self._trusted and Path(media.path).is_absolute():
            return path
        if not path.is_relative_to(folder):
            raise RowError(f"picture {media.path!r} is outside of the folder {folder}; it is not read")
        return path


def _read(path: Path, name: str, most: int, whole: bool) -> bytes:  # noqa: FBT001 - called through a thread
    """Read a file: whole, or its first `most` bytes."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RowError(f"picture {name!r}: {path} is no file")
            data = file.read(most + 1 if whole else most)
    except OSError as error:
        raise RowError(f"picture {name!r} cannot be read: {path}: {error.strerror}") from None
    if len(data) > most:
        raise RowError(f"picture {name!r}: {path} is longer than {most} bytes, the most that is taken")
    return data


def _without_waiting(path: str, flags: int) -> int:
    """Open a file. A named pipe would have to be written to first."""
    return os.open(path, flags | os.O_NONBLOCK)


def _name(media: Media) -> str:
    """Return what a picture is called: never its URL, which may be a secret."""
    return media.name or media.path or "without a name"


def _nowhere(media: Media, name: str) -> str:
    if media.path is not None:
        return f"picture {name!r} is a local file; set `folder` of the source to where its pictures are"
    return f"the source does not say where picture {name!r} is: it has neither a path nor a URL"
