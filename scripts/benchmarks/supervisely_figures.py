"""The figures of Supervisely: writing and reading beside the vendor's SDK, and what its fast path loses."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.from_thread

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.platforms.supervisely.stand_in import serve
from pipeline.ports import Seed
from pipeline.sandbox import apart
from scripts.benchmarks.clients import Client, Control, Memory
from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, SIDE, title_of
from scripts.benchmarks.figures import Figure, compared, table, tell
from scripts.benchmarks.supervisely_drawing import DATASET, GROUPS, LABELS

ROOT = Path(__file__).parents[2]
LATENCY = 0.05
"""Seconds that the stand-in adds to every answer."""
ENGINE = {"concurrency": 32, "requests_per_second": 4000}
"""The stand-in has no limit, so that none is kept."""
SYNC, ASYNC, READ = "SDK, upload_anns", "SDK, upload_anns_async", "SDK, download_bulk_async"
FIND = "SDK, finding the images"
"""What comes before both ways of writing with the SDK. labelferry's writing includes it, so the figures count
it on both sides."""
OURS, OURS_READ = "labelferry", "labelferry, reading"
"""Images that their list says are empty are written unread, as the SDK writes all."""
CAREFUL = "labelferry, images read first"
"""With the default of `read_unlabelled`, which keeps custom data that an image without labels may have."""
SDK_AT_ONCE = {FIND: 1, SYNC: 1, ASYNC: 10, READ: 10}
"""Requests that the SDK has under way at once, by its own defaults for an address of https."""
CHECKED = 500
"""Images of which it is looked at what was written."""
WARM = 100
TURN: dict[str, dict[str, Any]] = {
    SYNC: {"work": "upload_anns"},
    OURS: {"work": "write", "engine": ENGINE, "read_unlabelled": False},
    ASYNC: {"work": "upload_anns_async"},
    CAREFUL: {"work": "write", "engine": ENGINE, "read_unlabelled": True},
    FIND: {"work": "find"},
    READ: {"work": "read"},
    OURS_READ: {"work": "read", "engine": ENGINE},
}
"""What is done in one turn, in this order: the SDK and labelferry take turns, so that both begin cold.

Only the SDK's reading comes right after work of its own."""
OF_OURS = OURS, CAREFUL, OURS_READ
LOOKS = "find", "read"
"""Work that writes nothing."""
LOST = "written by", "images", "all labels", "boxes in place", "pixels right", "groups kept"

Runs = dict[str, list[dict[str, Any]]]


Scale = Mapping[int, int]
"""How much work: repetitions, by the number of images."""
WHOLE: Scale = {500: 15, 5_000: 5}
"""What takes a quarter of a second is done more often: other work of the machine is a larger part of it."""
QUICK: Scale = {500: 1}


@dataclass(frozen=True, slots=True)
class Server:
    """A stand-in in a process of its own, and what a client needs to know of it."""

    control: Control
    task: dict[str, Any]


def figures(scale: Scale) -> Iterator[Figure]:
    """Measure everything, one number of images after the other."""
    for rows, times in scale.items():
        with served(rows) as server:
            runs = beside(server, rows, times)
        work = f"{rows} images x (5 boxes + a bitmap of {SIDE} x {SIDE}) in 2 groups"
        tell(f"\n{work}, medians of {times}:")
        speed, cpu = compared(runs, SDK_AT_ONCE)
        seconds = {name: rows / rate for name, rate in speed.items()}
        alone = {name: seconds[name] / seconds[OURS] for name in (SYNC, ASYNC)}
        whole = {name: (seconds[FIND] + seconds[name]) / seconds[OURS] for name in (SYNC, ASYNC)}
        tell(
            f"\nif finding the images were counted for labelferry only: {alone[SYNC]:.2f} times upload_anns, "
            f"{alone[ASYNC]:.2f} times upload_anns_async"
        )
        yield _more(f"{rows} images, rows/s against finding them, building and upload_anns", whole[SYNC], 6.0)
        yield _more(f"{rows} images, rows/s against finding them and upload_anns_async", whole[ASYNC], 3.0)
        share = cpu[OURS] / (cpu[FIND] + cpu[SYNC])
        yield Figure(
            f"{rows} images, CPU per row against finding them and upload_anns", share, "share", 0.25, "lower"
        )
        faster = speed[OURS_READ] / speed[READ]
        yield _more(f"{rows} images, reading, rows/s against download_bulk_async", faster, 1.5)


def _more(name: str, value: float, goal: float) -> Figure:
    return Figure(name, value, "times", goal, "higher")


@contextmanager
def served(rows: int) -> Iterator[Server]:
    """Serve a project of so many images until the block ends."""
    titles = [title_of(number) for number in range(rows)]
    seed = Seed(
        Ontology((ClassDef(BOX_CLASS, Shape.BOX), ClassDef(MASK_CLASS, Shape.MASK))),
        [LabelRow(name, name, media=(Media(name, width=SIDE, height=SIDE),)) for name in titles],
    )
    with (
        anyio.from_thread.start_blocking_portal() as loop,
        loop.wrap_async_context_manager(apart(serve, seed, {"latency": LATENCY})) as server,
    ):
        running = server.running
        task = {
            "url": running.url,
            "project": int(running.address.partition(":")[2].partition("/")[0]),
            "dataset": DATASET,
            "token": running.environment["API_TOKEN"],
            "at_once": SDK_AT_ONCE[ASYNC],
        }
        yield Server(Control(running.url), task)


@contextmanager
def clients(server: Server) -> Iterator[tuple[Client, Client]]:
    """Start the SDK and labelferry."""
    theirs = ROOT / ".venv-oracles/supervisely/bin/python", "scripts.benchmarks.supervisely_sdk_client"
    ours = ROOT / ".venv/bin/python", "scripts.benchmarks.supervisely_client"
    with Client(*theirs, server.task) as sdk, Client(*ours, server.task) as ferry:
        yield sdk, ferry


def once(server: Server, client: Client, order: Mapping[str, Any]) -> dict[str, Any]:
    """Run a client once, on a project without labels if it writes.

    `server` is the CPU of the stand-in, `memory` the peak of all processes of the client.
    """
    if order["work"] not in LOOKS:
        server.control.reset()
    before = server.control.cpu()
    memory = Memory(client.pid)
    with memory.watched():
        found = client.run(order)
    if found["rows"] != order["rows"]:
        raise SystemExit(f"{order['work']}: {json.dumps(found)[:500]}, and not {order['rows']} rows")
    peak = max((size for _, size in memory.samples), default=found.get("memory", 0))
    return {**found, "server": server.control.cpu() - before, "memory": peak}


def beside(server: Server, rows: int, times: int) -> Runs:
    """Run the SDK and labelferry in turn; the first run of each warms it up.

    What each has written is checked after its last run, and labels are read where labelferry wrote them.
    """
    runs: Runs = {name: [] for name in TURN}
    with clients(server) as (sdk, ferry):
        for turn in range(times + 1):
            few = rows if turn else min(rows, WARM)
            for name, order in TURN.items():
                looks = order["work"] in LOOKS
                found = once(
                    server, ferry if name in OF_OURS else sdk, {**order, "rows": rows if looks else few}
                )
                if turn == times and not looks:
                    found["right"] = sdk.run({"work": "check", "rows": min(rows, CHECKED)})["right"]
                runs[name].append(found)
            for name in (READ, OURS_READ):
                found = runs[name][-1]
                if found["labels"] != LABELS * few:
                    raise SystemExit(f"{name} found {found['labels']} labels; {LABELS * few} are there")
                found["at_once"] = SDK_AT_ONCE[READ]
            if runs[OURS_READ][-1]["groups"] != len(GROUPS) * few:
                raise SystemExit("labelferry did not read the groups that it wrote")
    judge(runs, min(rows, CHECKED))
    return {name: found[1:] for name, found in runs.items()}


def judge(runs: Runs, images: int) -> None:
    """Print what arrived of what each client wrote.

    Raises SystemExit if labelferry or upload_anns lost any of it.
    """
    right = {name: runs[name][-1]["right"] for name in (SYNC, ASYNC, OURS, CAREFUL)}
    tell("\n" + table(LOST, [(name, images, *found.values()) for name, found in right.items()]))
    for name in (SYNC, OURS, CAREFUL):
        if set(right[name].values()) != {images}:
            raise SystemExit(f"{name}: not everything that was drawn has arrived")
