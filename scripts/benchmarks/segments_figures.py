"""The figures of Segments.ai: bitmaps and vector labels beside the vendor's SDK, reading, use of a limit."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio.from_thread
import cv2
import numpy as np

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow, Media
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.platforms.segments.stand_in import serve
from pipeline.ports import Seed
from pipeline.sandbox import apart
from scripts.benchmarks.clients import Client, Control, Memory
from scripts.benchmarks.drawing import BOX_CLASS, MASK_CLASS, WIDE, instance_rasters, number_of, title_of
from scripts.benchmarks.encord_figures import RATE, SLACK, busiest
from scripts.benchmarks.figures import Figure, compared, median_of, table, tell

ROOT = Path(__file__).parents[2]
LATENCY = 0.05
"""Seconds that the stand-in adds to every answer."""
THREADS = 16
ENGINE = {"concurrency": 128, "requests_per_second": 4000}
"""The stand-in has no limit, so that none is kept."""
SDK_AT_ONCE = {"SDK, a loop": 1, f"SDK, {THREADS} threads": THREADS}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much work: repetitions; rows of the SDK's loop, of its threads, and of labelferry."""

    times: int
    bitmaps: tuple[int, int, int]
    vectors: tuple[int, int, int]
    read: int
    limited: int


WHOLE = Scale(times=5, bitmaps=(60, 160, 2_000), vectors=(200, 800, 6_000), read=10_000, limited=6_000)
QUICK = Scale(times=1, bitmaps=(20, 64, 600), vectors=(60, 320, 2_000), read=2_000, limited=1_000)


@dataclass(frozen=True, slots=True)
class Server:
    """A stand-in in a process of its own, and what a client needs to know of it."""

    control: Control
    task: dict[str, Any]


def figures(scale: Scale) -> Iterator[Figure]:
    """Measure everything, one figure after the other."""
    yield from bitmaps(scale)
    yield from vectors(scale)
    yield from reading(scale)
    yield from limited(scale)


@contextmanager
def served(rows: int, shape: Shape) -> Iterator[Server]:
    """Serve a dataset of so many images until the block ends."""
    titles = [title_of(number) for number in range(rows)]
    seed = Seed(
        Ontology((ClassDef(BOX_CLASS, shape), ClassDef(MASK_CLASS, shape))),
        [LabelRow(name, name, media=(Media(name, width=WIDE, height=WIDE),)) for name in titles],
    )
    with anyio.from_thread.start_blocking_portal() as loop:
        options = {"latency": LATENCY}
        with loop.wrap_async_context_manager(apart(serve, seed, options)) as server:
            running = server.running
            task = {
                "url": running.url,
                "dataset": running.address.partition(":")[2].partition("?")[0],
                "key": running.environment["SEGMENTS_API_KEY"],
                "bitmaps": shape is Shape.MASK,
            }
            yield Server(Control(running.url), task)


@contextmanager
def clients(server: Server) -> Iterator[tuple[Client, Client]]:
    """Start the SDK and labelferry."""
    theirs = ROOT / ".venv-oracles/segments/bin/python", "scripts.benchmarks.segments_sdk_client"
    ours = ROOT / ".venv/bin/python", "scripts.benchmarks.segments_client"
    with Client(*theirs, server.task) as sdk, Client(*ours, server.task) as ferry:
        yield sdk, ferry


def once(server: Server, client: Client, order: Mapping[str, Any]) -> dict[str, Any]:
    """Run a client once; `server` is the CPU of the stand-in, `memory` the peak of all its processes."""
    if order["work"] != "read":
        server.control.reset()
    before = server.control.cpu()
    memory = Memory(client.pid)
    with memory.watched():
        found = client.run(order)
    peak = max((size for _, size in memory.samples), default=0)
    return {**found, "server": server.control.cpu() - before, "memory": peak}


def beside(
    server: Server, scale: Scale, work: str, rows: tuple[int, int, int]
) -> dict[str, list[dict[str, Any]]]:
    """Run the SDK's loop, its threads and labelferry in turn; the first run of each warms it up."""
    orders = {
        "SDK, a loop": {"work": work, "rows": rows[0], "threads": 1},
        f"SDK, {THREADS} threads": {"work": work, "rows": rows[1], "threads": THREADS},
        "labelferry": {"work": work, "rows": rows[2], "engine": ENGINE},
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in orders}
    with clients(server) as (sdk, ferry):
        for turn in range(scale.times + 1):
            for name, order in orders.items():
                few = order if turn else {**order, "rows": min(int(str(order["rows"])), 32)}
                found = once(server, ferry if name == "labelferry" else sdk, few)
                if found["rows"] != few["rows"]:
                    raise SystemExit(f"{name}: {found['rows']} of {few['rows']} rows were saved")
                if turn:
                    runs[name].append(found)
                if work == "bitmap" and turn == scale.times:
                    runs[name][-1]["files"] = files_of(server, {title_of(n) for n in range(rows[0])})
        if work == "bitmap":
            check(sdk, runs["labelferry"][-1]["files"])
    return runs


# ---- bitmaps ----------------------------------------------------------------------------------------------


def bitmaps(scale: Scale) -> Iterator[Figure]:
    """Bitmaps of 20 instances: the asset in two steps, and the label."""
    with served(max(scale.bitmaps), Shape.MASK) as server:
        runs = beside(server, scale, "bitmap", scale.bitmaps)
    tell(f"\nbitmaps of 1024 x 1024 with 20 instances, medians of {scale.times}:")
    speed, cpu = compared(runs, SDK_AT_ONCE)
    loop, threads, ours = speed.values()
    yield Figure("bitmaps, rows/s against the SDK's loop", ours / loop, "times", 40.0, "higher")
    yield Figure("bitmaps, rows/s against the SDK in 16 threads", ours / threads, "times", 10.0, "higher")
    share = cpu["labelferry"] / cpu["SDK, a loop"]
    yield Figure("bitmaps, CPU per row against the SDK", share, "share", 1 / 6, "lower")
    sizes = {name: found[-1]["files"] for name, found in runs.items()}
    common = sizes["SDK, a loop"].keys()
    theirs, ours_ = (sum(len(sizes[name][one]) for one in common) for name in ("SDK, a loop", "labelferry"))
    yield Figure("bitmaps, bytes of the PNG against the SDK", ours_ / theirs, "times", 1.15, "lower")


def files_of(server: Server, titles: set[str]) -> dict[str, bytes]:
    """Return the bitmaps of some samples as the stand-in serves them."""
    found = {}
    for row in server.control.rows():
        if row["name"] in titles and (label := row["labels"].get("ground-truth")):
            url = label["attributes"]["segmentation_bitmap"]["url"]
            with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own local server
                found[row["name"]] = answer.read()
    return found


def check(sdk: Client, files: Mapping[str, bytes]) -> None:
    """Raise SystemExit unless Pillow and OpenCV decode the files to the pictures that were drawn."""
    drawn = instance_rasters()
    for name, data in files.items():
        picture = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), np.uint32)
        blue, green, red, alpha = (picture[..., at] for at in range(4))
        right = drawn[number_of(name) % len(drawn)]
        if (red | green << 8 | blue << 16 != right).any() or alpha.min() != 255:  # noqa: PLR2004 - opaque
            raise SystemExit(f"{name}: OpenCV decodes other numbers than were drawn")
    with TemporaryDirectory(prefix="labelferry-bench-") as folder:
        paths = {}
        for name, data in files.items():
            path = Path(folder) / f"{number_of(name)}.png"
            path.write_bytes(data)
            paths[str(number_of(name))] = str(path)
        good = sdk.run({"work": "decode", "files": paths, "rows": 0})["good"]
    if good != len(files):
        raise SystemExit(f"Pillow decodes {len(files) - good} of {len(files)} files to other numbers")
    tell(f"{len(files)} files decoded to the same numbers by Pillow and OpenCV")


# ---- vector labels ----------------------------------------------------------------------------------------


def vectors(scale: Scale) -> Iterator[Figure]:
    """Labels of five boxes."""
    with served(max(scale.vectors), Shape.BOX) as server:
        runs = beside(server, scale, "vector", scale.vectors)
    tell(f"\nvector labels of 5 boxes, medians of {scale.times}:")
    speed, _ = compared(runs, SDK_AT_ONCE)
    loop, threads, ours = speed.values()
    yield Figure("vector labels, rows/s against the SDK's loop", ours / loop, "times", 40.0, "higher")
    yield Figure(
        "vector labels, rows/s against the SDK in 16 threads", ours / threads, "times", 4.0, "higher"
    )


# ---- reading ----------------------------------------------------------------------------------------------


def reading(scale: Scale) -> Iterator[Figure]:
    """All labels of a dataset, by the SDK in pages of 1000 and by labelferry."""
    runs: dict[str, list[dict[str, Any]]] = {"SDK, pages": [], "labelferry": []}
    with served(scale.read, Shape.BOX) as server, clients(server) as (sdk, ferry):
        once(server, ferry, {"work": "vector", "rows": scale.read, "engine": ENGINE})
        order = {"work": "read", "rows": scale.read, "engine": ENGINE}
        for turn in range(scale.times + 1):
            for name, client in (("SDK, pages", sdk), ("labelferry", ferry)):
                found = once(server, client, order)
                if (found["rows"], found["labels"]) != (scale.read, 5 * scale.read):
                    raise SystemExit(f"{name} read {json.dumps(found)}")
                if turn:
                    runs[name].append({**found, "at_once": 4})
    tell(f"\nreading {scale.read} labels, medians of {scale.times}:")
    at = {name: found[0]["rows"] / median_of(found, "seconds") for name, found in runs.items()}
    tell(
        table(
            ("client", "seconds", "labels/s"), [(n, median_of(r, "seconds"), at[n]) for n, r in runs.items()]
        )
    )
    yield Figure(
        "reading, labels/s against the SDK's pages",
        at["labelferry"] / at["SDK, pages"],
        "times",
        1.0,
        "higher",
    )


# ---- at a limit -------------------------------------------------------------------------------------------


def limited(scale: Scale) -> Iterator[Figure]:
    """Vector labels at 50 requests a second, before a server that refuses what is more."""
    with served(scale.limited, Shape.BOX) as server, clients(server) as (_, ferry):
        once(server, ferry, {"work": "vector", "rows": 200, "engine": ENGINE})
        server.control.order({"requests_per_second": RATE, "slack": SLACK})
        engine = {"requests_per_second": RATE}
        run = once(server, ferry, {"work": "vector", "rows": scale.limited, "engine": engine})
    sent = sorted(run["sent"])
    used = (len(sent) - 1) / (sent[-1] - sent[0]) / RATE
    tell(
        f"\n{len(sent)} requests at a limit of {RATE}/s, {run['at_once']} at once: {run['seconds']:.1f} s, "
        f"answers by status {run['statuses']}"
    )
    yield Figure("limit used", used, "share", 0.97, "higher")
    yield Figure("most requests in one second", busiest(sent), "requests", RATE, "lower")
    yield Figure("requests refused", run["statuses"].get("429", 0), "requests", 0, "lower")
