"""From a job to a running line: the only place that constructs things."""

import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import anyio

from pipeline import flow
from pipeline.core.batching import BatchRule
from pipeline.core.encoding import seconds_of_pixels
from pipeline.core.rows import Mode, Rejection
from pipeline.errors import Exit, LabelferryError, UsageError
from pipeline.events import Event, PaceChanged, Phase, RowsSettled, RunEnded, RunStarted
from pipeline.io.channel import Channels
from pipeline.io.collecting import rare_collections
from pipeline.io.early import Early, codec_for
from pipeline.io.editing import Editor
from pipeline.io.journal import open_journal
from pipeline.io.lock import job_lock
from pipeline.io.promised import Promised
from pipeline.io.record import Record
from pipeline.io.redaction import Redactor
from pipeline.io.shutdown import interrupts_as_usual, unless_interrupted
from pipeline.io.streams import all_of
from pipeline.io.workers import Workers, leave_if_imported_by_a_worker
from pipeline.job import Address, Job
from pipeline.platforms.archive.convert import write_row
from pipeline.ports import Encoder, Journal, Places, Plan, RunRecord
from pipeline.report import Report
from pipeline.wiring.classes import Seen, check_classes, revised
from pipeline.wiring.ends import Ends, connected, tools_for
from pipeline.wiring.inspecting import checks
from pipeline.wiring.seeding import seed_from

__all__ = ["RunOptions", "checks", "open_journal", "run", "run_sync", "seed_from"]

OPEN_BYTES = 256 * 1024 * 1024
"""Bytes of source rows that are opened in one bundle at most; rasters are large, requests are not."""
LARGE = 500
"""Rows of a bundle from which the first one has a fifth of them, and the next ones twice as many each: the
stages behind it, and the target, have work while the others are on their way."""
HEAD_START = 0.002
"""Seconds in which a target's first questions leave, before reading ahead takes the processor."""
REJECTS_AT_ONCE = 500
WORK_FOLDER = ".labelferry"
"""The folder beside the journal where a run keeps what must survive a crash."""

_EXITS = {"saved": Exit.SAVED, "rejected": Exit.REJECTED, "interrupted": Exit.STOPPED}

Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a job, beside what the job says.

    `new` abandons an unfinished run of the same job. `dry_run` validates everything and writes nothing.
    `stop` drains the line and ends the run, resumable, when it is set.
    """

    new: bool = False
    resume: bool = False
    dry_run: bool = False
    max_rejects: int | None = None
    stop: anyio.Event | None = None


async def run(job: Job, options: RunOptions | None = None, listeners: Sequence[Listener] = ()) -> Report:
    """Run a job and return its report.

    `exit_code` in it is 0, or 3 when rows were rejected, or 1 when `stop` ended the run before its end.

    `listeners` are given every event. Raises UsageError, CredentialsError, AlreadyRunning or Stopped.
    """
    leave_if_imported_by_a_worker()
    report, start = Report(), perf_counter()

    def emit(event: Event) -> None:
        report.add(event)
        for listener in listeners:
            listener(event)

    try:
        async with AsyncExitStack() as stack:
            await _run(job, options or RunOptions(), emit, stack)
    except (LabelferryError, BaseExceptionGroup) as error:
        cause = _cause(error)
        emit(RunEnded("stopped", str(cause)))
        if cause is error:
            raise
        raise cause from error
    finally:
        report.seconds_total = perf_counter() - start
    report.exit_code = _EXITS[report.outcome]
    return report


def run_sync(job: Job, options: RunOptions | None = None, listeners: Sequence[Listener] = ()) -> Report:
    """Do what `run` does, from a program that is not asynchronous.

    Ctrl-C cancels the run, which can be resumed, and raises KeyboardInterrupt.
    """
    whole = partial(run, job, options, listeners)
    if not interrupts_as_usual():
        return anyio.run(whole)
    report = anyio.run(unless_interrupted, whole)
    if report is None:
        raise KeyboardInterrupt
    return report


async def _run(job: Job, options: RunOptions, emit: Listener, stack: AsyncExitStack) -> None:
    url, folder = job.journal, job.journal_path.parent
    if options.dry_run:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="labelferry-")))
        url = f"sqlite:///{folder}/dry-run.db"
    stack.enter_context(rare_collections())
    stack.enter_context(job_lock(folder, job.name))
    journal = await stack.enter_async_context(open_journal(url))
    if options.resume:
        await _check_unfinished(journal, job.name)
    started = await journal.begin(job.name, job.fingerprint(), new=options.new)
    engine = job.engine
    channels = await stack.enter_async_context(
        Channels(emit, requests_per_second=engine.requests_per_second, concurrency=engine.concurrency)
    )
    workers = await stack.enter_async_context(
        Workers(engine.workers if engine.workers is not None else os.cpu_count() or 1, emit)
    )
    emit(Phase("matching"))
    tools = tools_for(job, channels, folder / WORK_FOLDER / started.id, emit)
    ends = await connected(job, tools, stack, options.stop)
    plan = await _plan(job, options, started, ends)
    record = _record(job, options, emit, journal, fresh=not started.resumed)
    line = _line(job, options, ends, plan, workers, record)
    await _match_and_move(job, started, ends, line, workers)
    _tell_pace(channels, emit)
    emit(await _finished(line, journal))


async def _match_and_move(
    job: Job, started: RunRecord, ends: Ends, line: flow.Line, workers: Workers
) -> None:
    """Find the places of the rows and move them there. Some sources are read meanwhile."""
    emit, places, seen = line.record.tell, Promised[Places](), Seen()
    keys = seen.watch(ends.source.keys()) if ends.source.restartable else None
    async with all_of() as group:
        if ends.reads_ahead:
            group.start_soon(_move_ahead, line, places)
        matched = await ends.target.prepare(line.plan, keys)
        check_classes(seen, job.operations, await ends.target.ontology(), ends.features)
        emit(RunStarted(job.name, started.id, seen.rows if keys is not None else None, started.resumed))
        if started.resumed:
            emit(RowsSettled("already-done", await _settled(line.record.journal, started.id), 0))
        if keys is not None:
            await _reject_unmatched(line, matched)
        emit(Phase("moving"))
        group.start_soon(workers.warm, seconds_of_pixels(seen.mask_pixels, seen.masks))
        places.keep(matched)
        if not ends.reads_ahead:
            group.start_soon(flow.move, line, places)


async def _move_ahead(line: flow.Line, places: Promised[Places]) -> None:
    await anyio.sleep(HEAD_START)
    await flow.move(line, places)


def _tell_pace(channels: Channels, emit: Listener) -> None:
    for host in channels.hosts:
        pace = channels.pace_of(host)
        emit(PaceChanged(host, pace.concurrency, pace.rate, "at the end"))


async def _settled(journal: Journal, run: str) -> int:
    counts = await journal.counts(run)
    return sum(number for status, number in counts.items() if status not in {"pending", "intent"})


async def _reject_unmatched(line: flow.Line, places: Places) -> None:
    """Reject, before the first write, every row that has no place of its own in the target."""
    unmatched: list[Rejection] = []
    async for problem in places.problems():
        unmatched.append(problem)
        if len(unmatched) == REJECTS_AT_ONCE:
            await line.record.rejected_anew(unmatched)
            unmatched = []
    await line.record.rejected_anew(unmatched)


async def _finished(line: flow.Line, journal: Journal) -> RunEnded:
    line.record.tell(Phase("finishing"))
    counts = await journal.counts(line.plan.run)
    # A row that was put back to be tried again, and that the source no longer gives, is not saved either.
    rejects = any(counts.get(status) for status in ("rejected", "pending", "intent"))
    await line.target.finish(complete=not line.stop.is_set(), rejects=rejects)
    if line.stop.is_set():
        return RunEnded("interrupted", "stopped on request; the run can be resumed")
    outcome = "rejected" if rejects else "saved"
    await journal.end(outcome)
    return RunEnded(outcome, "")


async def _check_unfinished(journal: Journal, job: str) -> None:
    last = await journal.last_run(job)
    if last is None or last.ended is not None:
        ended = f"its last run {last.id} ended: {last.outcome}" if last else "it was never run"
        message = f"job {job!r} has nothing to resume; {ended}; start it with `labelferry run`"
        raise UsageError(message)


async def _plan(job: Job, options: RunOptions, started: RunRecord, ends: Ends) -> Plan:
    return Plan(
        run=started.id,
        ontology=revised(job.operations, await ends.source.ontology()),
        mode=Mode.EDIT if ends.edits else job.mode,
        require_answers=job.require_answers,
        media=job.media,
        dry_run=options.dry_run,
        revise=partial(revised, job.operations),
    )


def _line(
    job: Job, options: RunOptions, ends: Ends, plan: Plan, encoder: Encoder, record: Record
) -> flow.Line:
    engine, limits = job.engine, ends.target.limits
    at_once = engine.concurrency or limits.concurrency_ceiling
    rows = min(engine.bundle_rows, limits.open_rows)
    opening = BatchRule(rows, OPEN_BYTES, engine.linger, _first(rows))
    codec = ends.features.mask_codec or ""
    early = codec_for(codec, job.operations, plan.mode)
    saved_rows, saved_bytes = (
        min(engine.bundle_rows, limits.max_rows),
        min(engine.bundle_bytes, limits.max_bytes),
    )
    return flow.Line(
        source=ends.source,
        target=ends.target,
        codec="" if early else codec,
        encoder=encoder,
        early=Early(encoder, early, record.timed),
        editor=Editor(job.operations, encoder),
        record=record,
        plan=plan,
        opening=opening,
        saving=BatchRule(saved_rows, saved_bytes, engine.linger, _first(saved_rows)),
        ahead=max(1, min(at_once, limits.rows_ahead // opening.rows)),
        at_once=min(at_once, limits.bundles_at_once or at_once),
        stop=options.stop or anyio.Event(),
    )


def _first(rows: int) -> int | None:
    return rows // 5 if rows >= LARGE else None


def _record(job: Job, options: RunOptions, emit: Listener, journal: Journal, *, fresh: bool) -> Record:
    return Record(
        journal,
        emit,
        write_row,
        allowed=frozenset(loss.value for loss in job.allow_losses),
        max_rejects=options.max_rejects,
        dry_run=options.dry_run,
        redact=_redactor(job).text,
        fresh=fresh,
    )


def _redactor(job: Job) -> Redactor:
    redactor = Redactor(os.environ)
    for side in (job.source, job.target):
        redactor.learn(side.settings if isinstance(side, Address) else side)
    return redactor


def _cause(error: BaseException) -> BaseException:
    """Return the error that ended the run: of several at once, the first that labelferry raised itself."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [_cause(inner) for inner in error.exceptions]
    return next((cause for cause in causes if isinstance(cause, LabelferryError)), causes[0])
