"""The figures of Encord: speed beside the vendor's SDK, memory and time of long runs, use of a rate limit."""

import statistics
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.from_thread

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.platforms.encord.stand_in import serve
from pipeline.ports import Seed
from pipeline.sandbox import apart
from scripts.benchmarks.clients import Client, Control, Memory
from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, SIDE, title_of
from scripts.benchmarks.encord_rows import alike
from scripts.benchmarks.figures import Figure, median_of, table, tell
from scripts.benchmarks.journal_alone import journal_alone

ROOT = Path(__file__).parents[2]
LATENCY = 0.05
"""Seconds that the stand-in adds to every answer."""
ONTOLOGY = Ontology((ClassDef(BOX_CLASS, Shape.BOX), ClassDef(MASK_CLASS, Shape.MASK)))
BUNDLE = 1000
RATE = 50
SLACK = 0.02


@dataclass(frozen=True, slots=True)
class Scale:
    """How much work: rows and repetitions beside the SDK, rows of long and short runs, rows at the limit."""

    rows: int
    times: int
    long: int
    short: int
    limited: int


WHOLE = Scale(rows=5_000, times=5, long=100_000, short=10_000, limited=6_000)
QUICK = Scale(rows=1_000, times=1, long=10_000, short=2_000, limited=1_500)


@dataclass(frozen=True, slots=True)
class Server:
    """A stand-in in a process of its own, and what a client needs to know of it."""

    control: Control
    task: dict[str, Any]


def figures(scale: Scale) -> Iterator[Figure]:
    """Measure everything, one figure after the other."""
    yield from bulk(scale)
    yield from long_run(scale)
    yield from limited(scale)


@contextmanager
def served(rows: int, *, masks: bool) -> Iterator[Server]:
    """Serve a project of so many images until the block ends, and tell the CPU that it took."""
    titles = [title_of(number) for number in range(rows)]
    seed = Seed(
        ONTOLOGY, [LabelRow(name, name, media=(Media(name, width=SIDE, height=SIDE),)) for name in titles]
    )
    with (
        TemporaryDirectory(prefix="labelferry-bench-") as keys,
        anyio.from_thread.start_blocking_portal() as loop,
    ):
        options = {"latency": LATENCY, "keys": keys}
        with loop.wrap_async_context_manager(apart(serve, seed, options)) as server:
            running = server.running
            task = {
                "url": running.url,
                "project": running.address.partition(":")[2].partition("?")[0],
                "key_file": running.environment["ENCORD_SSH_KEY_FILE"],
                "masks": masks,
            }
            yield Server(Control(running.url), task)
        tell(f"stand-in of {rows} rows: {server.cpu:.1f} s of CPU in all")


def ours(task: dict[str, Any]) -> Client:
    """Start labelferry."""
    return Client(ROOT / ".venv/bin/python", "scripts.benchmarks.encord_client", task)


def theirs(task: dict[str, Any]) -> Client:
    """Start the SDK."""
    return Client(ROOT / ".venv-oracles/encord/bin/python", "scripts.benchmarks.encord_sdk_client", task)


BULK = "client", "at once", "seconds", "rows/s", "CPU ms/row", "peak MB", "start-up s", "stand-in CPU s"
LONG = "rows", "seconds", "rows/s", "CPU s", "stand-in CPU s", "peak MB", "first 20 % MB", "last 10 % MB"

# ---- beside the SDK ---------------------------------------------------------------------------------------


def bulk(scale: Scale) -> Iterator[Figure]:
    """Five boxes and a mask in each row: initialise, build and save in bundles of 1000, in turn."""
    runs: dict[str, list[dict[str, Any]]] = {"encord SDK": [], "labelferry": []}
    with served(scale.rows, masks=True) as server, theirs(server.task) as sdk, ours(server.task) as ferry:
        for _ in range(scale.times + 1):
            runs["encord SDK"].append(once(server, sdk, BUNDLE))
            expected = server.control.rows()
            runs["labelferry"].append(
                once(server, ferry, {"rows": scale.rows, "engine": {"bundle_rows": BUNDLE}})
            )
            alike(expected, server.control.rows())
        startup = {"encord SDK": sdk.startup, "labelferry": ferry.startup}
    runs = {name: found[1:] for name, found in runs.items()}  # the first run of each side warms it up
    speed = {name: scale.rows / median_of(found, "seconds") for name, found in runs.items()}
    cpu = {name: median_of(found, "cpu") / scale.rows for name, found in runs.items()}
    tell(f"\n{scale.rows} rows x (5 boxes + a mask of 512 x 512), bundles of 1000, medians of {scale.times}:")
    lines = [
        (
            name,
            max(run.get("at_once", 1) for run in found),
            median_of(found, "seconds"),
            speed[name],
            cpu[name] * 1e3,
            median_of(found, "memory") / 1e6,
            startup[name],
            median_of(found, "server"),
        )
        for name, found in runs.items()
    ]
    tell(table(BULK, lines))
    yield Figure("rows/s against the SDK", speed["labelferry"] / speed["encord SDK"], "times", 5.0, "higher")
    yield Figure("CPU per row against the SDK", cpu["labelferry"] / cpu["encord SDK"], "share", 0.25, "lower")


def once(server: Server, client: Client, order: object) -> dict[str, Any]:
    """Run a client once on an emptied project; `server` is the CPU of the stand-in."""
    server.control.reset()
    before = server.control.cpu()
    memory = Memory(client.pid)
    with memory.watched():
        found = client.run(order)
    return {
        **found,
        "server": server.control.cpu() - before,
        "memory": max(size for _, size in memory.samples),
        "samples": memory.samples,
    }


# ---- many rows --------------------------------------------------------------------------------------------


def long_run(scale: Scale) -> Iterator[Figure]:
    """Rows of five boxes, ten times as many as in a short run."""
    found = {}
    for rows in (scale.short, scale.long):
        with served(rows, masks=False) as server, ours(server.task) as ferry:
            once(server, ferry, {"rows": min(rows, 1000), "engine": {}})
            found[rows] = once(server, ferry, {"rows": rows, "engine": {}})
            if found[rows]["rows"] != rows:
                raise SystemExit(f"{found[rows]['rows']} of {rows} rows were saved")
    long, per_row = found[scale.long], {rows: run["seconds"] / rows for rows, run in found.items()}
    first, last = ends_of(long)
    journal = statistics.median(anyio.run(journal_alone, scale.long, BUNDLE) for _ in range(scale.times))
    tell(f"\nrows of 5 boxes through the whole flow, {long['at_once']} requests at once:")
    lines = [
        (n, r["seconds"], n / r["seconds"], r["cpu"], r["server"], r["memory"] / 1e6, *ends_of(r))
        for n, r in found.items()
    ]
    tell(table(LONG, lines))
    yield Figure("memory, last 10 % against first 20 %", last / first, "times", 1.1, "lower")
    yield Figure("memory, peak", long["memory"] / 1e6, "MB", 400.0, "lower")
    tell(f"the journal alone, the same calls, median of {scale.times}: {journal:.2f} s")
    share = journal / long["seconds"]
    yield Figure("journal, share of the time", share, "share", 0.05, "lower")
    growth = per_row[scale.long] / per_row[scale.short]
    yield Figure("time per row against a tenth of the rows", growth, "times", 1.1, "lower")


def ends_of(run: Mapping[str, Any]) -> tuple[float, float]:
    """Return the mean memory, in MB, over the first 20 % and the last 10 % of the time that rows move.

    What comes before is the listing of the project, when there is no row yet.
    """
    first, last = run["moved"]
    sizes = [size / 1e6 for moment, size in run["samples"] if first <= moment <= last]
    return statistics.fmean(sizes[: max(1, len(sizes) // 5)]), statistics.fmean(
        sizes[-max(1, len(sizes) // 10) :]
    )


# ---- at a limit -------------------------------------------------------------------------------------------


def limited(scale: Scale) -> Iterator[Figure]:
    """Bundles of 10 at 50 requests a second, before a server that refuses what is more."""
    with served(scale.limited, masks=False) as server, ours(server.task) as ferry:
        once(server, ferry, {"rows": 200, "engine": {}})
        server.control.order({"requests_per_second": RATE, "slack": SLACK})
        engine = {"requests_per_second": RATE, "bundle_rows": 10}
        run = once(server, ferry, {"rows": scale.limited, "engine": engine})
    sent = sorted(run["sent"])
    used = (len(sent) - 1) / (sent[-1] - sent[0]) / RATE
    tell(
        f"\n{len(sent)} requests at a limit of {RATE}/s, bundles of 10, {run['at_once']} at once: "
        f"{run['seconds']:.1f} s, answers by status {run['statuses']}"
    )
    yield Figure("limit used", used, "share", 0.97, "higher")
    yield Figure("most requests in one second", busiest(sent), "requests", RATE, "lower")
    yield Figure("requests refused", run["statuses"].get("429", 0), "requests", 0, "lower")


def busiest(times: Sequence[float]) -> int:
    """Return the most of the ascending times that lie in any one second."""
    window: deque[float] = deque()
    most = 0
    for time in times:
        window.append(time)
        while window[0] <= time - 1.0:
            window.popleft()
        most = max(most, len(window))
    return most
