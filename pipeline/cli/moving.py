"""Runs a job from a terminal: progress, logs, signals, and the report at the end."""

import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import anyio

from pipeline import wiring
from pipeline.cli.ending import crash_beside, leave, redactor, say
from pipeline.cli.origin import Origin, keep
from pipeline.cli.showing import shown
from pipeline.cli.summary import check_report_file, rejects_hint, summary, write_report
from pipeline.errors import Exit, FatalError, LabelferryError
from pipeline.events import Event, Phase
from pipeline.io.shutdown import Shutdown
from pipeline.job import Address, Job
from pipeline.report import Report

STOPPING = "stopping: what is under way is finished first; once more stops at once"
FINISHED = frozenset({"saved", "rejected"})


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says about a run, beside the job. `origin` is kept for a later `resume`."""

    new: bool = False
    dry_run: bool = False
    report: Path | None = None
    max_rejects: int | None = None
    json_logs: bool = False
    resume: bool = False
    origin: Origin | None = None


def move(job: Job, flags: Flags) -> None:
    """Run a job, print its report, and leave with its exit code where that is not 0."""
    report = anyio.run(moved, job, flags)
    if report.exit_code:
        leave(report.exit_code)


async def moved(job: Job, flags: Flags) -> Report:
    """Run a job and return its report, which is printed and, where asked for, written.

    A run that did not come to its end has said why; the report holds its exit code.
    """
    if flags.report is not None:
        check_report_file(flags.report)
    learn_secrets(job)
    crash_beside(job.journal_path.parent)
    report, failure, began = Report(), None, perf_counter()

    def keep_origin(event: Event) -> None:
        # The first phase begins when the journal holds the run.
        if isinstance(event, Phase) and flags.origin is not None and not flags.dry_run:
            keep(flags.origin, job.journal_path, job.name)

    with shown(sys.stderr, as_json=flags.json_logs) as (tell, write):
        async with Shutdown(lambda: write(STOPPING)) as shutdown:
            options = wiring.RunOptions(
                new=flags.new,
                resume=flags.resume,
                dry_run=flags.dry_run,
                max_rejects=flags.max_rejects,
                stop=shutdown.stop,
            )
            try:
                done = await wiring.run(job, options, [report.add, keep_origin, tell])
            except LabelferryError as error:
                failure = error
            else:
                report.exit_code = done.exit_code
    report.seconds_total = perf_counter() - began
    if failure is not None:
        report.exit_code = failure.exit_code if isinstance(failure, FatalError) else Exit.STOPPED
    elif shutdown.exit_code is not None and report.outcome not in FINISHED:
        report.outcome, report.exit_code = "interrupted", shutdown.exit_code
    _tell_end(job, flags, report, failure)
    return report


def learn_secrets(job: Job) -> None:
    """Let nothing that the job holds under a secret's name reach a screen or a file."""
    for side in (job.source, job.target):
        redactor().learn(side.settings if isinstance(side, Address) else side)


def _tell_end(job: Job, flags: Flags, report: Report, failure: LabelferryError | None) -> None:
    if flags.report is not None:
        write_report(flags.report, redactor().value(report.to_json()))
    if report.run:
        for line in [*summary(report), *rejects_hint(report, job.journal)]:
            sys.stdout.write(redactor().text(line) + "\n")
    if flags.report is not None:
        sys.stdout.write(f"  report    {flags.report}\n")
    sys.stdout.flush()
    if failure is not None:
        say(str(failure))
    if report.run and report.exit_code in {Exit.STOPPED, Exit.CREDENTIALS, Exit.INTERRUPTED, Exit.TERMINATED}:
        say("the run can go on where it stopped: labelferry resume")
