"""`labelferry resume`: go on with a run that stopped."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.ending import ended
from pipeline.cli.flags import DEFAULT_JOURNAL, JournalUrl, JsonLogs, MaxRejects, ReportFile

if TYPE_CHECKING:
    from pipeline.cli.origin import Origin


@ended
def resume(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="[JOB.yaml | RUN]", help="By default the last run of the journal.", show_default=False
        ),
    ] = None,
    report: ReportFile = None,
    max_rejects: MaxRejects = None,
    json_logs: JsonLogs = False,
    journal: JournalUrl = DEFAULT_JOURNAL,
) -> None:
    """Go on with a run that was stopped or interrupted.

    Rows that are settled are not touched again.

    \b
    Examples:
      labelferry resume
      labelferry resume nightly.yaml
    """
    import anyio

    from pipeline.cli.moving import Flags, move
    from pipeline.cli.origin import of_file

    is_file = job is not None and (job.endswith((".yaml", ".yml")) or Path(job).exists())
    origin = of_file(Path(str(job))) if is_file else anyio.run(_origin, journal, job)
    flags = Flags(report=report, max_rejects=max_rejects, json_logs=json_logs, resume=True, origin=origin)
    move(origin.job(), flags)


async def _origin(journal: str, run: str | None) -> "Origin":
    from pipeline.cli.origin import recall
    from pipeline.cli.runs import found
    from pipeline.errors import UsageError
    from pipeline.io.journal import journal_path, open_journal

    async with open_journal(journal, must_exist=True) as book:
        record = await found(book, run)
    if record.outcome is not None:
        raise UsageError(
            f"run {record.id} of {record.job!r} has ended ({record.outcome}); there is nothing to resume"
        )
    return recall(journal_path(journal), record.job)
