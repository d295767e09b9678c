"""`labelferry copy`: from one address to another."""

from typing import Annotated

import typer

from pipeline.cli.ending import ended
from pipeline.cli.flags import DEFAULT_JOURNAL, DryRun, JournalUrl, JsonLogs, MaxRejects, New, ReportFile

ADDRESS = "PLATFORM:PLACE"


@ended
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"Where labels come from, as {ADDRESS}.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"Where they go, as {ADDRESS}.")],
    mode: Annotated[
        str | None,
        typer.Option(metavar="MODE", help="For rows with labels: replace, append or skip-existing."),
    ] = None,
    allow_loss: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="A kind of loss to accept, as holes. Repeatable.")
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(metavar="BY", help="Match rows by title, path, external_id or a metadata key."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N rows.")] = None,
    title: Annotated[
        list[str] | None, typer.Option(metavar="TITLE", help="Only this row. Repeatable.")
    ] = None,
    require_answers: Annotated[
        bool, typer.Option("--require-answers", help="Reject a row that lacks a required answer.")
    ] = False,
    rate: Annotated[
        float | None, typer.Option(metavar="R", help="Requests per second; found by itself without it.")
    ] = None,
    dry_run: DryRun = False,
    new: New = False,
    report: ReportFile = None,
    max_rejects: MaxRejects = None,
    json_logs: JsonLogs = False,
    journal: JournalUrl = DEFAULT_JOURNAL,
) -> None:
    """Copy labels from one place to another.

    Every option is a key of a job file. Any setting of a platform can stand in the address:
    encord:PROJECT?url=http://127.0.0.1:8700&ssh_key_file=key

    \b
    Examples:
      labelferry copy coco:instances.json archive:backup/
      labelferry copy archive:backup/ encord:7d4ead9c-4087-4832-a301-eb2545e7d43b --mode replace
    """
    from pipeline.cli.origin import of_copy
    from pipeline.job import from_addresses

    rows = {"limit": limit, "titles": title or None}
    keys = {
        "mode": mode,
        "allow_losses": allow_loss,
        "match": None if match is None else {"by": match},
        "rows": {key: value for key, value in rows.items() if value is not None} or None,
        "require_answers": require_answers or None,
        "engine": None if rate is None else {"requests_per_second": rate},
        "journal": journal,
    }
    parts = {key: value for key, value in keys.items() if value is not None}
    kept = of_copy(source, target, parts)
    job = from_addresses(source, target, **parts)
    # The rest is imported, and waited for, only once the job is known to be right.
    from pipeline.cli.moving import Flags, move

    move(job, Flags(new, dry_run, report, max_rejects, json_logs, origin=kept))
