"""The first signal lets a run drain, the second one ends it at once."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from pipeline.errors import Exit
from pipeline.io.shutdown import Shutdown

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)]
)
async def test_the_first_signal_asks_to_stop_and_decides_the_exit_code(
    number: signal.Signals, code: Exit
) -> None:
    said = []
    async with Shutdown() as shutdown:
        shutdown.on_first = lambda: said.append("stopping")
        os.kill(os.getpid(), number)
        await shutdown.stop.wait()
        await anyio.lowlevel.checkpoint()
    assert shutdown.signal is number
    assert shutdown.exit_code is code
    assert said == ["stopping"]


async def test_the_second_signal_ends_the_body_at_once_and_the_code_is_that_of_the_first() -> None:
    said = []
    async with Shutdown(lambda: said.append("stopping")) as shutdown:
        os.kill(os.getpid(), signal.SIGTERM)
        await shutdown.stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()
    assert shutdown.exit_code == Exit.TERMINATED
    assert said == ["stopping"]


async def test_an_error_of_the_body_is_not_lost() -> None:
    with pytest.raises(ValueError, match="the error"):
        async with Shutdown():
            raise ValueError("the error")


async def test_the_former_handlers_are_back_afterwards() -> None:
    def own(*_: object) -> None:
        """Take the signal."""

    before = signal.signal(signal.SIGTERM, own)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        async with Shutdown() as shutdown:
            os.kill(os.getpid(), signal.SIGTERM)
            await shutdown.stop.wait()
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGINT) is interrupt
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_outside_of_the_main_thread_it_does_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)

    async def body() -> Exit | None:
        async with Shutdown() as shutdown:
            assert signal.getsignal(signal.SIGINT) is before
            return shutdown.exit_code

    assert await anyio.to_thread.run_sync(anyio.run, body) is None


CHILD = """
import sys, time, anyio, anyio.to_thread
from pipeline.io.shutdown import Shutdown

async def main():
    async with Shutdown() as shutdown:
        shutdown.on_first = lambda: print("stopping", flush=True)
        print("ready", flush=True)
        if sys.argv[1] == "drains":
            await shutdown.stop.wait()
        elif sys.argv[1] == "hangs":
            await anyio.sleep_forever()
        else:
            await anyio.to_thread.run_sync(sys.stdin.read)
    print("left", flush=True)
    return shutdown.exit_code

sys.exit(anyio.run(main))
"""


def start(how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, how]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_drains_after_one_signal(number: signal.Signals, code: int) -> None:
    with start("drains") as child:
        child.send_signal(number)
        assert child.communicate()[0] == "stopping\nleft\n"
    assert child.returncode == code


def test_a_process_that_does_not_drain_ends_after_two_signals() -> None:
    with start("hangs") as child:
        assert child.stdout is not None
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "stopping\n"
        child.send_signal(signal.SIGTERM)
        assert child.communicate()[0] == "left\n"
    assert child.returncode == 130


def test_a_process_whose_thread_cannot_be_cancelled_ends_by_more_signals() -> None:
    with start("blocks") as child:
        assert child.stdout is not None
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "stopping\n"
        child.send_signal(signal.SIGTERM)
        while child.poll() is None:
            child.send_signal(signal.SIGTERM)
            # One after the other: a flood of signals leaves the child no time to handle any.
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.2)
    assert child.returncode == -signal.SIGTERM


CALL = """
import anyio
from pipeline import Job, run_sync

async def rows():
    print("ready", flush=True)
    await anyio.sleep_forever()
    yield

try:
    run_sync(Job(name="x", source=rows(), target={"platform": "archive", "path": "out"}))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("signals", [1, 2, 3])
def test_a_call_from_python_ends_with_keyboard_interrupt_however_often_ctrl_c_comes(
    tmp_path: Path, signals: int
) -> None:
    command = [sys.executable, "-c", CALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for _ in range(signals):
            child.send_signal(signal.SIGINT)
        told = child.communicate()[0]
    if signals == 1:
        assert (child.returncode, told) == (0, "interrupted\n")
    else:  # one that comes after the end of the run is the script's own
        assert child.returncode in (0, -signal.SIGINT)
        assert told in ("interrupted\n", "")
