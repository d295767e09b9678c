"""`labelferry status`: what the journal knows of its runs."""

from typing import Annotated

import typer

from pipeline.cli.ending import ended
from pipeline.cli.flags import DEFAULT_JOURNAL, JournalUrl


@ended
def status(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only this run; by default all of them.")
    ] = None,
    journal: JournalUrl = DEFAULT_JOURNAL,
) -> None:
    """Show the runs of a journal, and what became of their rows.

    \b
    Examples:
      labelferry status
      labelferry status --journal sqlite:////data/labelferry.db
    """
    import anyio

    async def show() -> None:
        from pipeline.cli.runs import found
        from pipeline.io.journal import open_journal

        async with open_journal(journal, must_exist=True) as book:
            runs = (await book.runs())[::-1] if run is None else [await found(book, run)]
            for record in runs:
                counts = await book.counts(record.id)
                rows = ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))
                outcome, none = record.outcome or "unfinished", "no rows" if record.ended else "no rows yet"
                typer.echo(f"{record.id}  {outcome:<11}  {record.job}: {rows or none}")

    anyio.run(show)
