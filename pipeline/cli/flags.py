"""The options that verbs share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DEFAULT_JOURNAL = "sqlite:///labelferry.db"

DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Read, check and convert everything; write nothing.")
]
New: TypeAlias = Annotated[
    bool, typer.Option("--new", help="Start a new run, even where an unfinished one could go on.")
]
ReportFile: TypeAlias = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the report of the run as JSON.")
]
MaxRejects: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-rejects", metavar="N", min=0, help="Stop after more rejected rows than this."),
]
JsonLogs: TypeAlias = Annotated[
    bool, typer.Option("--json-logs", help="Write every event as a line of JSON to stderr; no progress line.")
]
JournalUrl: TypeAlias = Annotated[
    str, typer.Option("--journal", metavar="URL", help="The journal, as a job file names it.")
]
