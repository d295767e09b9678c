"""`labelferry doctor`: check a job's platforms, one line each."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.ending import ended


@ended
def doctor(
    job: Annotated[Path, typer.Argument(metavar="JOB.yaml", help="The job file.", show_default=False)],
) -> None:
    """Check what a job needs, one line each; nothing is written.

    Credentials, reachability, the classes of its labels, and limits.

    \b
    Example:
      labelferry doctor nightly.yaml
    """
    import anyio

    from pipeline.cli.ending import leave, redactor
    from pipeline.cli.moving import learn_secrets
    from pipeline.errors import Exit
    from pipeline.job import Job
    from pipeline.wiring import checks
    from pipeline.wiring.inspecting import CREDENTIALS

    loaded = Job.load(job)
    learn_secrets(loaded)

    found = anyio.run(checks, loaded)
    for check in found:
        # The name is no part of what is searched: "credentials: ..." would hide the first word after it.
        typer.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {redactor().text(check.message)}")
    failed = [check.name for check in found if not check.ok]
    if failed:
        leave(Exit.CREDENTIALS if any(name.endswith(CREDENTIALS) for name in failed) else Exit.USAGE)
