"""Lists the samples of a release: one file for the whole dataset, read piece by piece."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import ijson
import msgspec
from anyio import to_thread

from pipeline.errors import TransientError, UsageError
from pipeline.io.parts import writing
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.spool import Spool
from pipeline.platforms.segments.verdict import judge_storage
from pipeline.platforms.segments.wire import LABELSET
from pipeline.ports import Request, Tools

READY, FAILED = "SUCCEEDED", "FAILED"
PIECE = 64 * 1024
AT_ONCE = 200
"""Samples that are put into the spool at once."""


async def list_release(client: Client, spool: Spool, settings: Settings, tools: Tools) -> None:
    """Read all samples of the release into the spool, with their labels of the job's labelset.

    Raises UsageError where the release is not ready or was made before there was such a labelset,
    TransientError where its file does not come whole, Stopped when the disk is full.
    """
    name = settings.release or ""
    try:
        release = await client.release(name)
    except UsageError as error:
        raise UsageError(f"dataset {settings.dataset!r} has no release {name!r}: {error}") from error
    url = (release.attributes or {}).get("url")
    if release.status != READY or not url:
        why = "making it failed" if release.status == FAILED else "wait until the service has made it"
        raise UsageError(f"release {name!r} of {settings.dataset} is {release.status or 'not ready'}; {why}")
    door = tools.assets.channel(url)
    with writing(tools.scratch), _file(tools.scratch) as file:
        async with door.stream("release.GET", lambda: Request("GET", url, {}), judge_storage) as pieces:
            async for piece in pieces:
                file.write(piece)
        samples = _samples(file, settings)
        while some := await to_thread.run_sync(_some, samples, AT_ONCE):
            await spool.add(some)


def _file(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return TemporaryFile(dir=folder)


def _some(samples: Iterator[msgspec.Raw], count: int) -> list[msgspec.Raw]:
    return [sample for _, sample in zip(range(count), samples, strict=False)]


def _samples(file: IO[bytes], settings: Settings) -> Iterator[msgspec.Raw]:
    """Give each sample of a release as a listing gives it: with the label of one labelset."""
    known: set[str] = set()
    count = 0
    file.seek(0)
    try:
        for sample in ijson.items(file, "dataset.samples.item", use_float=True, buf_size=PIECE):
            labels: dict[str, Any] = sample.pop("labels", None) or {}
            sample["label"] = labels.get(settings.labelset)
            known.update(labels)
            count += 1
            yield msgspec.Raw(msgspec.json.encode(sample))
    except ijson.JSONError as error:
        raise TransientError(f"the file of the release is not valid: {error}") from error
    if count and settings.labelset not in known | {LABELSET}:
        text = f"release {settings.release!r} has no labelset {settings.labelset!r}"
        raise UsageError(f"{text}; it has {', '.join(sorted(known)) or 'none'}")
