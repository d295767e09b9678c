"""The stand-ins: faults happen as ordered, what arrived is logged, and no process is left behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import anyio
import psutil
import pytest

from pipeline import Job, LabelRow, run
from pipeline.core.geometry import Box, Geometry, Point, Shape
from pipeline.core.labels import Media, ObjectInstance, Occurrence
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.errors import BundleRefused, UsageError
from pipeline.job import parse_address
from pipeline.platforms.encord.stand_in import serve
from pipeline.platforms.supervisely.stand_in import serve as serve_supervisely
from pipeline.ports import Running, Seed
from pipeline.sandbox import Faults, Options, apart, read_options
from pipeline.sandbox.trouble import Fate, Trouble
from pipeline.wiring import seed_from
from tests.conformance.encord_project import ONTOLOGY, bring, image, local

pytestmark = pytest.mark.anyio

IMAGES = [image(f"image-{number}", boxes=2) for number in range(5)]
TOKEN = {"Authorization": "Bearer sandbox-token"}


@asynccontextmanager
async def served(folder: Path, **options: object) -> AsyncIterator[tuple[Running, aiohttp.ClientSession]]:
    """A stand-in, and a plain client that holds its token."""
    async with (
        serve(Seed(ONTOLOGY, IMAGES), {"keys": folder, **options}) as running,
        aiohttp.ClientSession(running.url, headers=TOKEN) as session,
    ):
        yield running, session


async def token(session: aiohttp.ClientSession) -> tuple[int, str | None]:
    async with session.get("/v2/public/user/bearer-token") as answer:
        return answer.status, answer.headers.get("Retry-After")


# ---- faults -----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_faults() -> None:
    ordered = Faults(seed=5, fail_before=0.2, fail_after=0.2, drop_before=0.1, drop_after=0.1)
    one, other = Trouble(ordered), Trouble(ordered)
    fates = [one.fate("x", n, 0, 0.0) for n in range(400)]
    assert fates == [other.fate("x", n, 0, 0.0) for n in range(400)]
    found = {(fate.status, fate.carried_out) for fate in fates if fate is not None}
    assert found == {(503, False), (503, True), (None, False), (None, True)}
    assert 160 < sum(fate is None for fate in fates) < 240


def test_a_rate_is_counted_over_any_one_second() -> None:
    trouble = Trouble(Faults(requests_per_second=50.0, slack=0.02))
    at_once = [trouble.fate("x", n, 0, 10.0) for n in range(60)]
    assert [fate is None for fate in at_once] == [True] * 51 + [False] * 9
    assert trouble.fate("x", 61, 0, 10.99) == Fate(429, "too many requests", 1.0)
    assert trouble.fate("x", 62, 0, 11.0) is None


def test_faults_of_some_kinds_leave_the_others_alone() -> None:
    trouble = Trouble(Faults(fail_before=1.0, kinds=("labelrow.POST",)))
    assert trouble.fate("labelrow.GET", 1, 0, 0.0) is None
    assert trouble.fate("labelrow.POST", 2, 0, 0.0) is not None


def test_a_server_is_busy_for_so_long_and_then_no_more() -> None:
    trouble = Trouble(Faults(busy_seconds=10.0, retry_after=2.0))
    assert trouble.fate("x", 1, 0, 100.0) == Fate(429, "too many requests", 2.0)
    assert trouble.fate("x", 2, 0, 109.9) is not None
    assert trouble.fate("x", 3, 0, 110.0) is None


async def test_every_third_request_is_put_off_with_a_retry_after(tmp_path: Path) -> None:
    faults = Faults(busy_every=3, retry_after=7.0)
    async with served(tmp_path, faults=faults) as (_, session):
        answers = [await token(session) for _ in range(6)]
    assert answers == [(200, None), (200, None), (429, "7")] * 2


async def test_an_outage_begins_where_it_was_ordered_and_ends_when_told(tmp_path: Path) -> None:
    async with served(tmp_path, faults={"outage_from": 2}) as (_, session):
        assert await token(session) == (200, None)
        with pytest.raises(aiohttp.ClientError):
            await token(session)
        async with session.post("/_sandbox/faults", json={}) as answer:
            assert answer.status == 200
        assert await token(session) == (200, None)


async def test_a_body_above_the_limit_gets_413(tmp_path: Path) -> None:
    async with (
        served(tmp_path, faults={"max_bytes": 100}) as (_, session),
        session.post("/public", data=b"x" * 101) as answer,
    ):
        assert answer.status == 413


async def test_a_fault_that_is_not_known_is_refused_by_name(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as (_, session),
        session.post("/_sandbox/faults", json={"fail_befor": 1}) as answer,
    ):
        assert answer.status == 400
        assert "fail_befor" in await answer.text()
    with pytest.raises(UsageError, match=r"fail_befor.*fail_before"):
        read_options(Options, {"faults": {"fail_befor": 1}})
    with pytest.raises(UsageError, match=r"latencie.*latency"):
        read_options(Options, {"latencie": 1})


async def test_a_save_that_fails_before_is_not_carried_out_and_one_that_fails_after_is(
    tmp_path: Path,
) -> None:
    for when, expected in (("fail_before", 0), ("fail_after", 10)):
        async with local(tmp_path / when, IMAGES) as server, server.adapter() as adapter:
            await server.control("faults", {when: 1.0, "fail_status": 400, "kinds": ["labelrow.POST"]})
            with pytest.raises(BundleRefused):
                await bring(adapter.target(), IMAGES)
            assert sum((await server.labels()).values()) == expected


# ---- the log ----------------------------------------------------------------------------------------


async def test_every_row_written_is_one_line_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with local(tmp_path, IMAGES, log=log) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES)
        summary = await server.control("log")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    saves = [line for line in lines if line["action"] == "save"]
    assert [(line["title"], line["labels"]) for line in saves] == [(row.title, 2) for row in IMAGES]
    assert [line["title"] for line in lines if line["action"] == "create"] == [row.title for row in IMAGES]
    assert len({line["digest"] for line in saves}) == len(IMAGES)
    assert summary["rows"] == {"create": 5, "save": 5}
    assert summary["requests"] == sum(summary["kinds"].values()) == sum(summary["statuses"].values())


async def test_reset_takes_all_labels_away(tmp_path: Path) -> None:
    async with local(tmp_path, IMAGES) as server, server.adapter() as adapter:
        await bring(adapter.target(), IMAGES)
        await server.control("reset", {})
        rows = await server.control("rows")
        assert [row["label_hash"] for row in rows] == [None] * len(IMAGES)
        await bring(adapter.target(), IMAGES)
        assert set((await server.labels()).values()) == {2}


# ---- keys and processes -------------------------------------------------------------------------------


async def test_the_key_is_readable_by_its_owner_only_and_kept_for_the_next_time(tmp_path: Path) -> None:
    async with served(tmp_path) as (first, _):
        mode, content = key_of(first)
    assert mode == 0o600
    async with served(tmp_path) as (second, _):
        assert key_of(second) == (mode, content)
        assert second.address.partition("?")[0] == first.address.partition("?")[0]


def key_of(running: Running) -> tuple[int, bytes]:
    path = Path(running.environment["ENCORD_SSH_KEY_FILE"])
    return path.stat().st_mode & 0o777, path.read_bytes()


async def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    async with served(tmp_path) as (running, _):
        port = int(running.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=str(port)):
            async with served(tmp_path, port=port):
                pass


async def test_a_stand_in_apart_serves_and_tells_its_cpu(tmp_path: Path) -> None:
    async with apart(serve, Seed(ONTOLOGY, IMAGES), {"keys": str(tmp_path)}) as server:
        assert server.pid != os.getpid()
        async with aiohttp.ClientSession(server.running.url, headers=TOKEN) as session:
            assert await token(session) == (200, None)
    assert server.cpu > 0.0
    assert not psutil.pid_exists(server.pid)


async def test_a_stand_in_apart_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        async with apart(serve, Seed(ONTOLOGY, IMAGES), {"keys": str(tmp_path), "nonsense": 1}):
            pass


ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import asyncio, sys
from pipeline.platforms.encord.stand_in import serve
from pipeline.ports import Seed
from pipeline.sandbox import apart
from tests.conformance.encord_project import ONTOLOGY

async def main():
    async with apart(serve, Seed(ONTOLOGY, []), {"keys": sys.argv[1]}) as server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_a_stand_in_apart_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        str(tmp_path / "keys"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    assert await anyio.to_thread.run_sync(ended, child)


def ended(process: psutil.Process) -> bool:
    """Wait until a process has ended; where nobody waits for orphans it stays as a zombie."""
    try:
        while process.status() != psutil.STATUS_ZOMBIE:
            with suppress(psutil.TimeoutExpired):
                process.wait(0.1)
    except psutil.NoSuchProcess:
        return True
    return True


# ---- seeds ------------------------------------------------------------------------------------------


async def test_a_seed_has_the_classes_of_its_labels_whatever_shapes_they_take(tmp_path: Path) -> None:
    geometries: dict[str, Geometry] = {"car": Box(1, 1, 2, 2), "thing": Point(3, 3), "other": Box(1, 1, 3, 3)}
    objects = tuple(
        ObjectInstance(name, "car" if name == "car" else "thing", {0: Occurrence(geometry)})
        for name, geometry in geometries.items()
    )
    row = LabelRow("a", "a.png", media=(Media("a.png", width=8, height=8),), objects=objects)
    wanted = Ontology((ClassDef("car", Shape.BOX), ClassDef("idle", Shape.BOX), ClassDef("thing", Shape.ANY)))
    async with serve_supervisely(Seed(wanted, [replace(row, objects=())]), {}) as running:
        address = f"{running.address}&api_token={running.environment['API_TOKEN']}"
        journal = f"sqlite:///{tmp_path}/labelferry.db"
        report = await run(Job(name="fill", source=[row], target=parse_address(address), journal=journal))
        assert report.rows == {"saved": 1}
        seed = await seed_from([address])
    assert [(item.name, item.shape) for item in seed.ontology.classes] == [
        ("car", Shape.BOX),
        ("thing", Shape.BOX),
        ("thing", Shape.POINT),
    ]
    assert [(one.title, one.objects) for one in seed.rows] == [("a.png", ())]
