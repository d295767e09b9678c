"""`labelferry copy`: from one address to another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from pipeline.cli.ending import ended
from pipeline.cli.flags import DEFAULT_JOURNAL, DryRun, JournalUrl, JsonLogs, MaxRejects, New, ReportFile

Source: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="Where labels come from, as PLATFORM:PLACE.", show_default=False),
]
Target: TypeAlias = Annotated[
    str, typer.Argument(metavar="TARGET", help="Where they go, as PLATFORM:PLACE.", show_default=False)
]
Mode: TypeAlias = Annotated[
    str | None, typer.Option(metavar="MODE", help="For rows with labels: replace, append or skip-existing.")
]
Losses: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="KIND", help="A kind of loss to accept, as holes. Repeatable.")
]
Match: TypeAlias = Annotated[
    str | None, typer.Option(metavar="BY", help="Match rows by title, path, external_id or a metadata key.")
]
Media: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="MODE", help="Make rows that the target lacks: link or copy their pictures."),
]
Limit: TypeAlias = Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N rows.")]
Title: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="TITLE", help="Only this row. Repeatable.")
]
Answers: TypeAlias = Annotated[
    bool, typer.Option("--require-answers", help="Reject a row that lacks a required answer.")
]
Rate: TypeAlias = Annotated[
    float | None, typer.Option(metavar="R", help="Requests per second; found by itself without it.")
]


@ended
def copy(
    source: Source,
    target: Target,
    mode: Mode = None,
    allow_loss: Losses = None,
    match: Match = None,
    media: Media = None,
    limit: Limit = None,
    title: Title = None,
    require_answers: Answers = False,
    rate: Rate = None,
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
      labelferry copy supervisely:186534 supervisely:export/ --media copy
    """
    keys = {
        "mode": mode,
        "allow_losses": allow_loss,
        "match": _given({"by": match}),
        "media": media,
        "rows": _given({"limit": limit, "titles": title}),
        "require_answers": require_answers,
        "engine": _given({"requests_per_second": rate}),
        "journal": journal,
    }
    _copy(source, target, _given(keys) or {}, (new, dry_run, report, max_rejects, json_logs))


def _given(keys: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the keys that have a value, or None where none has."""
    return {key: value for key, value in keys.items() if value is not None} or None


def _copy(
    source: str, target: str, parts: dict[str, Any], flags: tuple[bool, bool, Path | None, int | None, bool]
) -> None:
    from pipeline.cli.origin import of_copy
    from pipeline.job import from_addresses

    job = from_addresses(source, target, **parts)
    # The rest is imported, and waited for, only once the job is known to be right.
    from pipeline.cli.moving import Flags, move

    move(job, Flags(*flags, origin=of_copy(source, target, parts)))
