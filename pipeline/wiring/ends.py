"""The two ends of a job: its platforms' settings checked, and both sides connected."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import anyio
from pydantic import BaseModel, ValidationError

from pipeline.core.losses import Features
from pipeline.core.rows import MediaMode
from pipeline.errors import UsageError
from pipeline.events import Event
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.iterables import GivenRows, OwnRows
from pipeline.io.media import PictureReader
from pipeline.job import Address, Job, explain
from pipeline.platforms import discover
from pipeline.ports import Adapter, Gallery, MatchRule, Platform, RowChoice, Source, Target, Tools

BY_ID = MatchRule("external_id")
"""How a target's own rows find themselves: the id is the platform's own."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Where rows come from and where they go.

    `edits`: the target's own rows are edited in place. `reads_ahead`: rows can be read while it is not known
    yet whether the target can be reached.
    """

    source: Source
    target: Target
    features: Features
    edits: bool
    reads_ahead: bool = False


def tools_for(
    job: Job,
    channels: Channels,
    scratch: Path,
    emit: Callable[[Event], None],
    rows: RowChoice = RowChoice(),  # noqa: B008 - frozen
) -> Tools:
    """Return what the platforms of a job are given. Raises UsageError for wrong settings."""
    assets = Storage(channels)
    folder = None
    if isinstance(job.source, Address | Mapping):
        platform, settings = next(sides_of(job))
        folder = platform.folder(settings)
    given = job.source is not None and not isinstance(job.source, Address | Mapping)
    media = PictureReader(assets, folder, trusted=given)
    return Tools(channels.get, scratch, emit, job.match.rule(), rows, assets=assets, media=media)


async def connected(job: Job, tools: Tools, stack: AsyncExitStack, stop: anyio.Event | None = None) -> Ends:
    """Connect both sides of a job. What is opened is closed with `stack`. Raises FatalError.

    No more rows are taken from an iterable once `stop` is set.
    """
    sides = list(sides_of(job))
    _check_target(job, sides[-1][0])
    if job.source is None:
        [(platform, settings)] = sides
        own = replace(tools, match=BY_ID, rows=job.rows.choice())
        adapter = await stack.enter_async_context(platform.connect(settings, own))
        return Ends(OwnRows(adapter.source()), adapter.target(), platform.features, edits=True)
    target_platform, target_settings = sides[-1]
    target = await stack.enter_async_context(
        target_platform.connect(target_settings, replace(tools, scratch=tools.scratch / "target"))
    )
    if len(sides) == 1:
        given = GivenRows(job.source, stop)
        return Ends(
            given, target.target(), target_platform.features, edits=False, reads_ahead=given.can_be_ahead
        )
    source = await source_of(job, tools, stack)
    if isinstance(source, Gallery) and isinstance(tools.media, PictureReader):
        tools.media.gallery = source
    return Ends(source.source(), target.target(), target_platform.features, edits=False)


def _check_target(job: Job, target: Platform) -> None:
    """Raise UsageError for a target that is only read, and for rows to create in one that creates none."""
    if not target.features.writes:
        raise UsageError(
            f"{job.name}: target: {target.name} is read only; name another platform (`labelferry platforms`)"
        )
    if job.media is not MediaMode.MATCH and not target.features.creates:
        raise UsageError(
            f"{job.name}: media: found {job.media.value!r}, but {target.name} takes labels and no pictures: "
            "in a file rows come into being with their labels, elsewhere they must be there; remove `media`"
        )


async def source_of(job: Job, tools: Tools, stack: AsyncExitStack) -> Adapter:
    """Connect the source side alone."""
    platform, settings = next(sides_of(job))
    own = replace(tools, scratch=tools.scratch / "source", rows=job.rows.choice())
    return await stack.enter_async_context(platform.connect(settings, own))


def sides_of(job: Job) -> Iterator[tuple[Platform, BaseModel]]:
    """Give the platform and its checked settings: the source's, if it is a platform, then the target's.

    Raises UsageError.
    """
    for name in ("source", "target"):
        side = getattr(job, name)
        if isinstance(side, Address | Mapping):
            yield settings_of(side, f"{job.name}: {name}")


def settings_of(side: Address | Mapping[str, Any], where: str) -> tuple[Platform, BaseModel]:
    """Return the platform of one side, and its part of the job as the platform's own settings."""
    known = discover()
    name = side.platform if isinstance(side, Address) else side["platform"]
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{where}: platform: no platform {name!r}{hint} (known: {', '.join(known)})")
    platform = known[name]
    if isinstance(side, Address):
        given = {**platform.address(side.rest, side.fragment), **side.settings}
    else:
        given = {key: value for key, value in side.items() if key != "platform"}
    try:
        settings: BaseModel = platform.settings(**given)
    except ValidationError as error:
        raise explain(error, where, tuple(platform.settings.model_fields)) from None
    return platform, settings
