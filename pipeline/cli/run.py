"""`labelferry run`: run a job file."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.ending import ended
from pipeline.cli.flags import DryRun, JsonLogs, MaxRejects, New, ReportFile


@ended
def run(
    job: Annotated[Path, typer.Argument(metavar="JOB.yaml", help="The job file.", show_default=False)],
    dry_run: DryRun = False,
    new: New = False,
    report: ReportFile = None,
    max_rejects: MaxRejects = None,
    json_logs: JsonLogs = False,
) -> None:
    """Run a job file.

    An unfinished run of the same job goes on where it stopped.

    \b
    Examples:
      labelferry run nightly.yaml --dry-run
      labelferry run nightly.yaml --report report.json --max-rejects 100
    """
    from pipeline.cli.origin import of_file
    from pipeline.job import Job

    loaded = Job.load(job)
    # The rest is imported, and waited for, only once the job is known to be right.
    from pipeline.cli.moving import Flags, move

    move(loaded, Flags(new, dry_run, report, max_rejects, json_logs, origin=of_file(job)))
