"""Puts the verbs together."""

from importlib.metadata import version
from typing import Annotated

import typer

from pipeline.cli import copy, demo, doctor, platforms, rejects, resume, run, sandbox, status

app = typer.Typer(
    name="labelferry",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(demo.demo)
app.command()(copy.copy)
app.command()(run.run)
app.command()(resume.resume)
app.command()(status.status)
app.add_typer(rejects.app, name="rejects")
app.command()(doctor.doctor)
app.command()(platforms.platforms)
app.command()(sandbox.sandbox)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"labelferry {version('labelferry')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def labelferry(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Move annotation labels between labelling platforms, in bulk, without losing any.

    \b
    Start here:
      labelferry demo                                   a thousand drawn images, into a local stand-in
      labelferry copy coco:instances.json archive:out/  from one place to another
      labelferry run job.yaml --dry-run                 check a job without writing anything

    Exit codes: 0 every row saved, 1 stopped but resumable, 2 wrong usage or something found before any write,
    3 finished with rejected rows, 4 credentials refused, 75 already running, 130 and 143 interrupted.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
