"""`labelferry demo`: the labels of a thousand drawn images go into a local stand-in of Encord."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.ending import ended
from pipeline.cli.flags import JsonLogs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ports import Running, Seed
    from pipeline.report import Report

JOB = """\
# Written by `labelferry demo`. It needs the stand-in, which runs as long as this does:
#   {sandbox}
name: demo
source: {{platform: archive, path: {drawn}}}
target:
  platform: encord
  project: {project}
  url: {url}
  ssh_key_file: {key}
mode: replace
operations:
  - rename: {{classes: {{lorry: truck}}}}
  - convert: {{to: mask, classes: [pond]}}     # holes stay holes; this runs in the process pool
journal: {journal}
"""


@ended
def demo(
    rows: Annotated[int, typer.Option(min=1, metavar="N", help="Images whose labels are drawn.")] = 1000,
    latency: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Before each answer.")] = 0.05,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where everything is kept.")] = Path(
        "labelferry-demo"
    ),
    json_logs: JsonLogs = False,
) -> None:
    """Bring drawn labels into a stand-in of Encord.

    The stand-in is a local server in a process of its own. Everything is kept in the folder,
    so that a second demo finds all rows unchanged; remove it to start afresh.

    \b
    Examples:
      labelferry demo
      labelferry demo --rows 5000 --latency 0.2 --folder /tmp/demo
    """
    import anyio

    from pipeline.cli.ending import leave

    folder.mkdir(parents=True, exist_ok=True)
    drawn = folder / "drawn"
    if drawn.exists():
        typer.echo(f"drawn     the labels are in {drawn} already")
    else:
        typer.echo(f"drawing   the labels of {rows:,} images into {drawn}")
        anyio.run(_draw, rows, drawn)
    report = anyio.run(_demo, latency, folder, json_logs)
    if report.exit_code:
        leave(report.exit_code)


async def _demo(latency: float, folder: Path, json_logs: bool) -> "Report":
    from pipeline.cli.moving import Flags, moved
    from pipeline.job import Job
    from pipeline.platforms import discover
    from pipeline.sandbox import apart

    stand_in = discover()["encord"].stand_in
    if stand_in is None:
        raise LookupError("encord has no stand-in")
    job_file = folder / "job.yaml"
    seed = await _seed(folder / "drawn")
    options = {
        "title": "demo",
        "latency": latency,
        "port": _port(job_file),
        "keys": folder / "keys",
        "state": folder / "stand-in.jsonl",
    }
    async with apart(stand_in, seed, options) as server:
        typer.echo(f"serving   a stand-in of Encord on {server.running.url}, in process {server.pid}")
        job_file.write_text(_job(folder, server.running))
        typer.echo(f"running   labelferry run {job_file}    ({len(seed.rows):,} rows)")
        report = await moved(Job.load(job_file), Flags(json_logs=json_logs))
    typer.echo("\n".join(_afterwards(folder, report, server.running, server.cpu)))
    return report


async def _draw(rows: int, archive: Path) -> None:
    """Draw labels into an archive."""
    from pipeline.job import Job
    from pipeline.sandbox.drawn import drawn_rows
    from pipeline.wiring import run

    # Drawn beside its place and then moved there, so that what is there is whole.
    with TemporaryDirectory(dir=archive.parent, prefix=".drawing-") as scratch:
        job = Job.from_mapping(
            {
                "name": "drawing",
                "source": drawn_rows(rows),
                "target": {"platform": "archive", "path": f"{scratch}/drawn"},
                "journal": f"sqlite:///{scratch}/journal.db",
            }
        )
        await run(job)
        (Path(scratch) / "drawn").rename(archive)


async def _seed(archive: Path) -> "Seed":
    """Return one data unit per drawn row, and the classes of the labels once the job has edited them."""
    from pipeline.core.geometry import Shape
    from pipeline.ports import Seed
    from pipeline.sandbox.drawn import drawn_ontology
    from pipeline.wiring import seed_from

    drawn = drawn_ontology()
    edits = {"lorry": ("truck", Shape.BOX), "pond": ("pond", Shape.MASK)}
    edited = [(item, *edits.get(item.name, (item.name, item.shape))) for item in drawn.classes]
    classes = tuple(replace(item, name=name, shape=shape) for item, name, shape in edited)
    rows = (await seed_from([str(archive)])).rows
    return Seed(
        replace(drawn, classes=classes), [replace(row, objects=(), classifications=()) for row in rows]
    )


def _job(folder: Path, running: "Running") -> str:
    port = running.url.rpartition(":")[2]
    place = shlex.quote(str(folder))
    sandbox = (
        f"labelferry sandbox encord --seed {place}/drawn --port {port} --keys {place}/keys "
        f"--option title=demo --option state={place}/stand-in.jsonl"
    )
    return JOB.format(
        sandbox=sandbox,
        drawn=json.dumps(f"{folder}/drawn"),
        journal=json.dumps(f"sqlite:///{folder}/labelferry.db"),
        project=running.address.partition(":")[2].partition("?")[0],
        url=running.url,
        key=json.dumps(running.environment["ENCORD_SSH_KEY_FILE"]),
    )


def _port(job_file: Path) -> int:
    """Return the port of the last demo while it is free, so that the job stays the same; else 0."""
    import socket

    found = re.search(
        r"^  url: http://127\.0\.0\.1:(\d+)$", job_file.read_text() if job_file.exists() else "", re.MULTILINE
    )
    if found is None:
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(found[1])))
        except OSError:
            return 0
    return int(found[1])


def _afterwards(folder: Path, report: "Report", running: "Running", cpu: float) -> "Iterator[str]":
    sandbox = _job(folder, running).splitlines()[1].lstrip("# ")
    yield f"stopped   the stand-in; it used {cpu:.1f} s of CPU"
    yield ""
    yield f"Where things are, in {folder}/:"
    yield "  drawn/           the labels as they were drawn, in labelferry's own format"
    yield "  job.yaml         the job that was run"
    yield "  labelferry.db    the journal: what became of each row"
    yield "  stand-in.jsonl   what the stand-in holds"
    yield ""
    yield "What to try next:"
    if report.rows["saved"]:
        yield "  labelferry demo                           again: every row is unchanged, none is sent"
    yield f"  labelferry status --journal sqlite:///{folder}/labelferry.db"
    yield f"  {sandbox}"
    yield "                                            the stand-in again, as long as you like; beside it:"
    yield f"  labelferry doctor {folder}/job.yaml"
    yield f"  labelferry run {folder}/job.yaml --dry-run"
