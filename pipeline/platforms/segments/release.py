"""Lists the samples of a release: one file for the whole dataset, read piece by piece.

The file says of itself which type and categories its labels are of: those of the dataset may have changed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import ijson
import msgspec
from anyio import to_thread

from pipeline.errors import FatalError, TransientError, UsageError
from pipeline.io.parts import writing
from pipeline.io.temporary import temporary_file
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.settings import Settings
from pipeline.platforms.segments.spool import Spool
from pipeline.platforms.segments.verdict import judge_storage
from pipeline.platforms.segments.wire import LABELSET, Dataset, Json
from pipeline.ports import Request, Tools

READY, FAILED = "SUCCEEDED", "FAILED"
PIECE = 64 * 1024
AT_ONCE = 200
"""Samples that are put into the spool at once."""


async def list_release(client: Client, spool: Spool, settings: Settings, tools: Tools) -> Dataset:
    """Read all samples of the release into the spool, with their labels of the job's labelset.

    Returns the dataset as it was then. Raises UsageError where the release is not ready or was made before
    there was such a labelset, FatalError where its file is of another form, TransientError where it does not
    come whole, Stopped when the disk is full.
    """
    url = await release_url(client, settings)
    door = tools.assets.channel(url)
    with writing(tools.scratch), temporary_file(tools.scratch) as file:
        async with door.stream("release.GET", lambda: Request("GET", url, {}), judge_storage) as pieces:
            async for piece in pieces:
                file.write(piece)
        dataset = await to_thread.run_sync(_dataset, file, settings)
        samples = _samples(file, settings, dataset)
        while some := await to_thread.run_sync(_some, samples, AT_ONCE):
            await spool.add(some)
    return dataset


def _some(samples: Iterator[msgspec.Raw], count: int) -> list[msgspec.Raw]:
    return [sample for _, sample in zip(range(count), samples, strict=False)]


async def release_url(client: Client, settings: Settings) -> str:
    """Return where the file of the release is. Raises UsageError where it is not there, or not ready."""
    name = settings.release or ""
    try:
        release = await client.release(name)
    except UsageError as error:
        raise UsageError(f"dataset {settings.dataset!r} has no release {name!r}: {error}") from error
    url = (release.attributes or {}).get("url")
    if release.status != READY or not url:
        why = "making it failed" if release.status == FAILED else "wait until the service has made it"
        raise UsageError(f"release {name!r} of {settings.dataset} is {release.status or 'not ready'}; {why}")
    return str(url)


def _dataset(file: IO[bytes], settings: Settings) -> Dataset:
    """Return what a release says of its dataset. Raises FatalError where it has no list of samples."""
    told: Json = {}
    with _decoding(settings):
        for name in ("task_type", "task_attributes", "labelsets"):
            told[name] = next(_items(file, f"dataset.{name}"), None)
        file.seek(0)
        events = ijson.parse(file, use_float=True, buf_size=PIECE)
        samples = next((event for prefix, event, _ in events if prefix == "dataset.samples"), "nothing")
        if samples != "start_array":
            raise FatalError(f"{_named(settings)} has no list of samples in its file")
        return msgspec.convert({**told, "full_name": settings.dataset}, Dataset)


def _items(file: IO[bytes], prefix: str) -> Iterator[Any]:
    file.seek(0)
    found: Iterator[Any] = ijson.items(file, prefix, use_float=True, buf_size=PIECE)
    return found


@contextmanager
def _decoding(settings: Settings) -> Iterator[None]:
    """Say what is wrong with the file."""
    try:
        yield
    except ijson.JSONError as error:
        raise TransientError(f"the file of {_named(settings)} is not valid: {error}") from error
    except msgspec.ValidationError as error:
        raise FatalError(f"the file of {_named(settings)} is not as expected: {error}") from error


def _named(settings: Settings) -> str:
    return f"release {settings.release!r}"


def _samples(file: IO[bytes], settings: Settings, dataset: Dataset) -> Iterator[msgspec.Raw]:
    """Give each sample of a release as a listing gives it: with the label of one labelset."""
    known = {item.name for item in dataset.labelsets or ()}
    told = bool(known)
    with _decoding(settings):
        for sample in _items(file, "dataset.samples.item"):
            labels: dict[str, Any] = sample.pop("labels", None) or {}
            sample["label"] = labels.get(settings.labelset)
            known.update(labels)
            told = True
            yield msgspec.Raw(msgspec.json.encode(sample))
    if told and settings.labelset not in known | {LABELSET}:
        text = f"{_named(settings)} has no labelset {settings.labelset!r}"
        raise UsageError(f"{text}; it has {', '.join(sorted(known)) or 'none'}")
