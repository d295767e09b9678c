"""`labelferry rejects`: the rows that were rejected, kept whole in the journal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from pipeline.cli.ending import ended
from pipeline.cli.flags import DEFAULT_JOURNAL, JournalUrl, JsonLogs, MaxRejects, ReportFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.cli.origin import Origin
    from pipeline.core.labels import LabelRow
    from pipeline.ports import RejectedRow

app = typer.Typer(help="List, retry or export rejected rows.", no_args_is_help=True, rich_markup_mode=None)

Run: TypeAlias = Annotated[
    str | None,
    typer.Option("--run", metavar="RUN", help="The run, as `labelferry status` names it; else the last."),
]


@app.command("list")
@ended
def list_rejects(run: Run = None, journal: JournalUrl = DEFAULT_JOURNAL) -> None:
    """List rejected rows: key, title, stage and reason, with tabs between them.

    \b
    Examples:
      labelferry rejects list
      labelferry rejects list | cut -f 4 | sort | uniq -c
    """
    import anyio

    from pipeline.cli.summary import one_line

    async def show() -> None:
        async for reject in _rejects(journal, run):
            reason = " ".join(reject.reason.split())
            typer.echo("\t".join(map(one_line, (reject.key, reject.title, reject.stage, reason))))

    anyio.run(show)


@app.command()
@ended
def retry(
    row: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Only this row, by its key. Repeatable.")
    ] = None,
    run: Run = None,
    report: ReportFile = None,
    max_rejects: MaxRejects = None,
    json_logs: JsonLogs = False,
    journal: JournalUrl = DEFAULT_JOURNAL,
) -> None:
    """Try rejected rows again, with the job as it is now.

    \b
    Examples:
      labelferry rejects retry
      labelferry rejects retry --row 000000000042.jpg
    """
    import anyio

    from pipeline.cli.moving import Flags, move

    origin = anyio.run(_cleared, journal, run, row)
    flags = Flags(report=report, max_rejects=max_rejects, json_logs=json_logs, resume=True, origin=origin)
    move(origin.job(), flags)


@app.command()
@ended
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new folder for the archive.", show_default=False)
    ],
    run: Run = None,
    journal: JournalUrl = DEFAULT_JOURNAL,
) -> None:
    """Write rejected rows to an archive, as they were when they were rejected.

    \b
    Example:
      labelferry rejects export rejected/
    """
    import anyio

    from pipeline.errors import UsageError

    if folder.exists():
        raise UsageError(f"{folder} is there already; name a new folder")
    anyio.run(_export, folder, journal, run)


async def _rejects(journal: str, run: str | None) -> "AsyncIterator[RejectedRow]":
    from pipeline.cli.runs import found
    from pipeline.io.journal import open_journal

    async with open_journal(journal, must_exist=True) as book:
        record = await found(book, run)
        async for reject in book.rejects(record.id):
            yield reject


async def _cleared(journal: str, run: str | None, rows: list[str] | None) -> "Origin":
    """Put rejected rows back to waiting, and return where their run came from."""
    from pipeline.cli.origin import recall
    from pipeline.cli.runs import found
    from pipeline.errors import UsageError
    from pipeline.io.journal import journal_path, open_journal

    async with open_journal(journal, must_exist=True) as book:
        record = await found(book, run)
        origin = recall(journal_path(journal), record.job)
        cleared = await book.clear_rejects(record.id, rows, origin.job().fingerprint())
    if not cleared:
        if rows is None:
            raise UsageError(f"run {record.id} has no rejected row; name another with --run")
        raise UsageError(f"run {record.id} has no such rejected row; `labelferry rejects list` names them")
    return origin


async def _export(folder: Path, journal: str, run: str | None) -> None:
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from pipeline.job import Job
    from pipeline.platforms.archive.convert import read_row
    from pipeline.wiring import run as run_job

    lost = 0

    async def kept() -> "AsyncIterator[LabelRow]":
        nonlocal lost
        async for reject in _rejects(journal, run):
            if reject.line is None:
                lost += 1
            else:
                # Two rows of one key were rejected under keys of their own, and both are written.
                yield replace(read_row(reject.line), key=reject.key)

    with TemporaryDirectory(prefix="labelferry-") as scratch:
        target = {"platform": "archive", "path": str(folder)}
        parts = {
            "name": "export",
            "source": kept(),
            "target": target,
            "journal": f"sqlite:///{scratch}/journal.db",
        }
        report = await run_job(Job.from_mapping(parts))
    typer.echo(f"{report.rows['saved']:,} rows in {folder}")
    if lost:
        typer.echo(f"not among them: {lost:,} that were rejected before they were read, or could not be read")
