"""Masks are encoded in processes; a process that dies costs no row, and no process outlives its parent."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import psutil
import pytest

from pipeline.core.codecs import decode
from pipeline.core.encoding import masks_of, seconds_of_mask
from pipeline.core.geometry import Box
from pipeline.core.instances import OnTop
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.rows import EditedRow, Layers, Place, RowKey
from pipeline.errors import RowError
from pipeline.events import Event, WorkerLost
from pipeline.io import workers as module
from pipeline.io.workers import Workers

pytestmark = pytest.mark.anyio
MUCH = 100.0


def drawn(number: int, size: int = 64) -> LabelRow:
    """Draw a row whose mask says its number: its first row of pixels holds the number in binary."""
    array = np.zeros((size, size), bool)
    array[0, :16] = [number >> bit & 1 for bit in range(16)]
    array[1] = True
    geometry = Raster(array) if number % 2 else Mask.from_array(array)
    objects = (
        ObjectInstance("box", "thing", {0: Occurrence(Box(0, 0, 1, 1))}),
        ObjectInstance("mask", "thing", {0: Occurrence(geometry)}),
    )
    return LabelRow(str(number), objects=objects)


def edited(number: int, size: int = 64) -> EditedRow:
    return EditedRow(RowKey(str(number), number), Place(f"place {number}"), drawn(number, size))


def number_of(row: EditedRow | RowError) -> int:
    """Read the number back from the encoded mask."""
    assert isinstance(row, EditedRow)
    encoded = row.row.objects[1].occurrences[0].geometry
    assert isinstance(encoded, EncodedMask)
    bits = decode(encoded.codec, encoded.data, encoded.height, encoded.width).to_array()[0, :16]
    return sum(int(bit) << at for at, bit in enumerate(bits))


@pytest.mark.parametrize("count", [0, 2])
async def test_every_mask_comes_back_encoded_in_its_own_row(count: int) -> None:
    rows = [edited(number) for number in range(300)]
    async with Workers(count, lambda _: None) as workers:
        await workers.warm(MUCH)
        encoded = await workers.encode(rows, "encord_rle")
    assert [number_of(row) for row in encoded] == list(range(300))


async def test_of_a_row_only_its_masks_change() -> None:
    row = replace(edited(1), existing=drawn(2), append=True, layers=Layers({"mask": 1}, OnTop.FIRST))
    async with Workers(0, lambda _: None) as workers:
        [done] = await workers.encode([row], "encord_rle")
        assert await workers.encode([row], "") == [row]
    assert isinstance(done, EditedRow)
    assert replace(done, row=row.row) == row
    assert done.row.objects[0] is row.row.objects[0]
    assert replace(done.row, objects=row.row.objects) == row.row


@pytest.mark.parametrize("count", [0, 2])
async def test_a_mask_that_cannot_be_encoded_fails_its_own_row_which_is_named(count: int) -> None:
    broken = Occurrence(EncodedMask(3, 4, "coco_rle", "o"))
    rows = [edited(number) for number in range(3)]
    wrong = LabelRow("1", objects=(ObjectInstance("mask", "thing", {0: broken}),))
    rows[1] = replace(rows[1], row=wrong)
    rows.append(replace(rows[1], row=replace(wrong, title="cat.png")))
    async with Workers(count, lambda _: None) as workers:
        await workers.warm(MUCH)
        first, failed, last, titled = await workers.encode(rows, "encord_rle")
    assert [number_of(first), number_of(last)] == [0, 2]
    assert isinstance(failed, RowError)
    assert str(failed).startswith("row '1': ")
    assert "cut off" in str(failed)
    assert str(titled).startswith("row 'cat.png': ")


async def test_large_rasters_cross_in_shared_memory() -> None:
    rows = [edited(number, size=4096) for number in (1, 3, 5)]
    async with Workers(2, lambda _: None) as workers:
        await workers.warm(MUCH)
        encoded = await workers.encode(rows, "encord_rle")
    assert [number_of(row) for row in encoded] == [1, 3, 5]


async def test_large_rasters_cross_without_shared_memory_where_it_has_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = Path("/proc")
    assert shutil.disk_usage(full).free == 0
    monkeypatch.setattr(module, "SHARED_FOLDER", full)
    monkeypatch.setattr(SharedMemory, "__init__", None)
    async with Workers(1, lambda _: None) as workers:
        await workers.warm(MUCH)
        [encoded] = await workers.encode([edited(5, size=4096)], "encord_rle")
    assert number_of(encoded) == 5


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the signal mask from /proc")
async def test_a_ctrl_c_at_the_terminal_does_not_reach_a_worker_even_while_it_starts() -> None:
    async with Workers(1, lambda _: None) as workers:
        await workers.warm(MUCH)
        [status] = [
            anyio.Path(f"/proc/{child.pid}/status")
            for child in psutil.Process().children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        blocked = next(line for line in (await status.read_text()).splitlines() if line.startswith("SigBlk"))
    assert int(blocked.split()[1], 16) & 1 << signal.SIGINT - 1, "blocked from its first instruction on"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


async def test_a_small_job_starts_no_process() -> None:
    before = set(psutil.Process().children(recursive=True))
    async with Workers(2, lambda _: None) as workers:
        await workers.encode([edited(1)], "encord_rle")
        assert not set(psutil.Process().children(recursive=True)) - before


async def test_many_small_masks_are_encoded_in_processes_as_few_large_ones_are() -> None:
    rows = [edited(number, size=512) for number in range(500)]
    work = sum(seconds_of_mask(mask) for row in rows for mask in masks_of(row.row, "encord_rle"))
    before = set(psutil.Process().children(recursive=True))
    async with Workers(1, lambda _: None) as workers:
        done: list[EditedRow | RowError] = []
        for _ in range(int(module.SMALL_JOB_SECONDS / work) + 1):
            assert not set(psutil.Process().children(recursive=True)) - before
            done = await workers.encode(rows, "encord_rle")
        assert set(psutil.Process().children(recursive=True)) - before
    assert [number_of(row) for row in done] == list(range(500))


async def test_work_does_not_wait_for_the_processes_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [edited(number) for number in range(300)]
    started = anyio.Event()
    before = module._warmed  # what takes long when a process starts

    async def slowly(pool: ProcessPoolExecutor) -> None:
        await started.wait()
        await before(pool)

    monkeypatch.setattr(module, "_warmed", slowly)
    monkeypatch.setattr(module, "SMALL_JOB_SECONDS", 0.0)
    async with Workers(1, lambda _: None) as workers:
        assert [number_of(row) for row in await workers.encode(rows, "encord_rle")] == list(range(300))
        started.set()
        await workers.warm(MUCH)
        assert [number_of(row) for row in await workers.encode(rows, "encord_rle")] == list(range(300))


async def test_processes_that_are_still_starting_end_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(psutil.Process().children(recursive=True))
    monkeypatch.setattr(module, "SMALL_JOB_SECONDS", 0.0)
    async with Workers(1, lambda _: None) as workers:
        await workers.encode([edited(number) for number in range(300)], "encord_rle")
        new = set(psutil.Process().children(recursive=True)) - before
    gone, left = await anyio.to_thread.run_sync(psutil.wait_procs, list(new), 60)
    assert (len(gone), left) == (len(new), [])
    assert gone, "some had begun to start"


class Deadly:
    """An operation that ends the worker process on one row."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, row: LabelRow) -> LabelRow:
        if row.key == self.key:
            os.kill(os.getpid(), signal.SIGKILL)
        return row


async def test_the_one_row_that_kills_workers_is_rejected_and_the_others_are_not() -> None:
    events: list[Event] = []
    rows = [drawn(number) for number in range(24)]
    async with Workers(2, events.append) as workers:
        await workers.warm(MUCH)
        results = await workers.apply(Deadly("7"), rows)
    bad = [row.key for row, result in zip(rows, results, strict=True) if isinstance(result, RowError)]
    assert bad == ["7"]
    assert [result for result in results if isinstance(result, LabelRow)] == rows[:7] + rows[8:]
    assert any(isinstance(event, WorkerLost) for event in events)


async def test_a_worker_killed_from_outside_costs_no_row() -> None:
    rows = [edited(number) for number in range(2000)]
    async with Workers(2, lambda _: None) as workers:
        await workers.warm(MUCH)
        victim = next(
            child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())
        )
        victim.kill()
        results = await workers.encode(rows, "encord_rle")
    assert [number_of(row) for row in results] == list(range(2000))


@pytest.mark.parametrize("closed", [False, True], ids=["a broken pool", "a pool that is being closed"])
async def test_workers_that_are_ended_while_they_start_are_started_again(
    monkeypatch: pytest.MonkeyPatch, *, closed: bool
) -> None:
    usual, pools = module._warmed, list[ProcessPoolExecutor]()

    async def warmed(pool: ProcessPoolExecutor) -> None:
        if pool not in pools:
            pools.append(pool)
        if pool is not pools[0]:
            await usual(pool)
            return
        ready = pool.submit(len, "")
        for process in list(pool._processes.values()):
            process.terminate()
        if closed:  # what `submit` of the pool says in the moment in which its pipes are closed
            raise OSError("handle is closed")
        await asyncio.wrap_future(ready)

    monkeypatch.setattr(module, "_warmed", warmed)
    async with Workers(2, lambda _: None) as workers:
        await workers.warm(MUCH)
        encoded = await workers.encode([edited(number) for number in range(30)], "encord_rle")
    assert [number_of(row) for row in encoded] == list(range(30))
    assert len(pools) == 2


CHILD = """
import asyncio, sys
from pipeline.io.workers import Workers

async def main():
    async with Workers(2, lambda event: None) as workers:
        await workers.warm(100.0)
        import psutil
        print(*[child.pid for child in psutil.Process().children()], flush=True)
        await asyncio.sleep(3600)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_no_worker_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENV)
    assert parent.stdout is not None
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(children) >= 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _gone, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


DYING = """
import asyncio
import psutil
from pipeline.io.workers import Workers

async def main():
    async with Workers(2, lambda event: None) as workers:
        await workers.warm(100.0)
        found = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
        found[{victim}].kill()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_dies_at_the_very_end_does_not_keep_the_others_waiting(
    victim: int, tmp_path: Path
) -> None:
    script = tmp_path / "dying.py"
    script.write_text(DYING.format(victim=victim))
    ended = subprocess.run([sys.executable, script], cwd=ROOT, env=ENV, check=False, timeout=60)
    assert ended.returncode == 0


UNGUARDED = """
import asyncio
from pipeline.io.workers import Workers, leave_if_imported_by_a_worker

leave_if_imported_by_a_worker()

async def main():
    async with Workers(1, lambda event: None) as workers:
        await workers.warm(100.0)

asyncio.run(main())
"""


def test_a_script_without_a_main_guard_gets_one_clear_error(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=ROOT, env=ENV, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.count("pipeline.errors.UsageError:") == 1
    assert '__name__ == "__main__"' in ended.stderr


ROOT = Path(module.__file__).parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
