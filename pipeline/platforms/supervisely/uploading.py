"""Brings pictures to the server's storage: only those that it has not, each content once."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Final

import anyio
from anyio import to_thread

from pipeline.core.labels import Media
from pipeline.errors import BundleRefused, RowError
from pipeline.io.streams import together
from pipeline.platforms.supervisely.client import AT_ONCE, Client
from pipeline.ports import Pictures

PICTURES_AT_ONCE: Final = 8
"""Pictures that are read at once."""
BATCH: Final = 8 * 1024 * 1024
"""Bytes from which pictures are sent on: a request holds this and one round of pictures at most."""
BATCHES_AT_ONCE: Final = 2


class Uploads:
    """Stores pictures. A picture is named by the base64 of its SHA-256, as the server does."""

    def __init__(self, client: Client, pictures: Pictures) -> None:
        self._client = client
        self._pictures = pictures
        self._room = anyio.CapacityLimiter(BATCHES_AT_ONCE)
        self._busy: dict[str, anyio.Event] = {}

    async def known(self, wanted: Mapping[str, Media]) -> dict[str, str]:
        """Return the hashes of those pictures whose digest is known and that the server has, by key."""
        hashes = {key: found for key, media in wanted.items() if (found := hash_of(media)) is not None}
        there = await self._client.known_hashes(sorted(set(hashes.values()))) if hashes else set()
        return {key: found for key, found in hashes.items() if found in there}

    async def stored(self, wanted: Mapping[str, Media]) -> dict[str, str | RowError]:
        """Bring what the server has not, and return the hash of each picture, or why there is none, by key.

        Raises BundleRefused, TransientError or FatalError. Safe to repeat.
        """
        done: dict[str, str | RowError] = {**await self.known(wanted)}
        left = [key for key in wanted if key not in done]
        if not left:
            return done
        async with self._room:
            batch: dict[str, bytes] = {}
            failed: dict[str, RowError] = {}
            for start in range(0, len(left), PICTURES_AT_ONCE):
                some = left[start : start + PICTURES_AT_ONCE]
                read = await together([partial(self._read, wanted[key]) for key in some])
                for key, data in zip(some, read, strict=True):
                    if isinstance(data, RowError):
                        done[key] = data
                    else:
                        done[key] = found = await to_thread.run_sync(digest_of, data)
                        batch[found] = data
                if len(batch) >= AT_ONCE or sum(map(len, batch.values())) >= BATCH:
                    failed |= await self._bring(batch)
                    batch = {}
            failed |= await self._bring(batch)
        return {
            key: failed.get(found, found) if isinstance(found, str) else found for key, found in done.items()
        }

    async def _read(self, media: Media) -> bytes | RowError:
        try:
            return await self._pictures.read(media)
        except RowError as error:
            return error

    async def _bring(self, batch: Mapping[str, bytes]) -> dict[str, RowError]:
        """Send those files that the server has not; return why some of them were not taken, by hash."""
        failed: dict[str, RowError] = {}
        left = dict(batch)
        while left:
            # Somebody else may be sending the same just now: what did not arrive then is sent from here.
            mine = {name: data for name, data in left.items() if name not in self._busy}
            if not mine:
                await next(self._busy[name] for name in left if name in self._busy).wait()
                continue
            done = anyio.Event()
            self._busy.update(dict.fromkeys(mine, done))
            try:
                there = await self._client.known_hashes(list(mine))
                missing = [(name, data) for name, data in mine.items() if name not in there]
                for start in range(0, len(missing), AT_ONCE):
                    failed |= await self._send(missing[start : start + AT_ONCE])
            finally:
                for name in mine:
                    del self._busy[name]
                done.set()
            left = {name: data for name, data in left.items() if name not in mine}
        return failed

    async def _send(self, files: Sequence[tuple[str, bytes]]) -> dict[str, RowError]:
        """Send some files. A request that is refused is halved, until it is one file that is to blame."""
        try:
            found = await self._client.upload([data for _, data in files])
        except BundleRefused as refusal:
            if len(files) == 1:
                return {files[0][0]: RowError(f"its picture was refused: {refusal}")}
            half = len(files) // 2
            return {**await self._send(files[:half]), **await self._send(files[half:])}
        failed: dict[str, RowError] = {}
        for (name, _), one in zip(files, found, strict=True):
            if one.hash is None:
                why = bytes(one.errors).decode(errors="replace")
                failed[name] = RowError(f"its picture was refused: Supervisely says {why}; is it an image?")
            elif one.hash != name:
                failed[name] = RowError(
                    "its picture did not arrive whole: the server has another digest of it"
                )
        return failed


def digest_of(data: bytes) -> str:
    """Return the base64 of the SHA-256 of some bytes."""
    return b64encode(sha256(data).digest()).decode()


def hash_of(media: Media) -> str | None:
    """Return the base64 of the known digest of a picture, if it is known and is one."""
    try:
        raw = bytes.fromhex(media.sha256 or "")
    except ValueError:
        return None
    return b64encode(raw).decode() if len(raw) == sha256().digest_size else None
