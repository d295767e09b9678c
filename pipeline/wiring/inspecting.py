"""What `doctor` says of a job: both platforms, and the ontology against the job's classes."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import CredentialsError, LabelferryError
from pipeline.events import Event
from pipeline.io.channel import Channels
from pipeline.job import Job
from pipeline.ports import Check, Growing, Tools
from pipeline.wiring.classes import Seen, missing_classes, revised
from pipeline.wiring.ends import Ends, connected, sides_of, tools_for

CREDENTIALS = "credentials"
"""What a platform's check of its key or token is named."""


async def checks(job: Job) -> Sequence[Check]:
    """Check credentials, reachability, ontology and limits of a job. Writes nothing.

    Raises UsageError where the job itself is wrong.
    """
    done: list[Check] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="labelferry-")))
        channels = await stack.enter_async_context(Channels(_nothing))
        tools = tools_for(job, channels, folder, _nothing, job.rows.choice())
        for platform, settings in sides_of(job):
            try:
                adapter = await stack.enter_async_context(platform.connect(settings, tools))
                async for check in adapter.checks():
                    done.append(Check(f"{platform.name}: {check.name}", check.ok, check.message))  # noqa: PERF401
            except LabelferryError as error:
                what = CREDENTIALS if isinstance(error, CredentialsError) else "connection"
                done.append(Check(f"{platform.name}: {what}", ok=False, message=str(error)))
        if all(check.ok for check in done):
            done.append(await _classes(job, tools, stack))
    return done


async def _classes(job: Job, tools: Tools, stack: AsyncExitStack) -> Check:
    ends = await connected(job, tools, stack)
    if not ends.source.restartable:
        return Check("classes", ok=True, message="rows from Python are checked as they come")
    seen = Seen()
    try:
        added = await _additions(job, ends)
        async for _ in seen.watch(ends.source.keys()):
            pass
        ontology = await ends.target.ontology()
    except LabelferryError as error:
        return Check("classes", ok=False, message=str(error))
    missing = missing_classes(seen, job.operations, ontology, ends.features)
    if missing:
        return Check("classes", ok=False, message="; ".join(missing))
    told = "are known" if seen.pairs is not None and ontology is not None else "are checked row by row"
    more = "".join(f"; would create {line}" for line in added)
    return Check(
        "classes", ok=True, message=f"{seen.rows} rows to move; the classes that they use {told}{more}"
    )


async def _additions(job: Job, ends: Ends) -> Sequence[str]:
    """Return what the target would make before the first row. Raises UsageError."""
    if not isinstance(ends.target, Growing):
        return ()
    return await ends.target.additions(revised(job.operations, await ends.source.ontology()))


def _nothing(_event: Event) -> None:
    """Nobody listens to a check's events."""
