"""Of many starts of one job exactly one runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import AlreadyRunning, UsageError
from pipeline.io.lock import job_lock, lock_path

pytestmark = pytest.mark.anyio

# ---- one instance ---------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from pipeline.errors import AlreadyRunning
from pipeline.io.lock import job_lock

sys.stdin.readline()
try:
    with job_lock(Path(sys.argv[1]), "a job: x -> y"):
        print("runs", flush=True)
        sys.stdin.read()
except AlreadyRunning as error:
    print(error.exit_code, error, flush=True)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_many_starts_of_one_job_exactly_one_runs(tmp_path: Path) -> None:
    children = [holder(tmp_path) for _ in range(4)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.stdout.readline() for child in children if child.stdout is not None]
    for child in children:
        child.communicate()
    assert said.count("runs\n") == 1
    refused = [line for line in said if line != "runs\n"]
    assert all(line.startswith("75 job 'a job: x -> y' is already running: ") for line in refused)


def test_the_lock_names_its_process_and_ends_with_it_even_by_kill_9(tmp_path: Path) -> None:
    with holder(tmp_path) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("go\n")
        child.stdin.flush()
        assert child.stdout.readline() == "runs\n"
        with (
            pytest.raises(AlreadyRunning, match=f"already running: process {child.pid} holds"),
            job_lock(tmp_path, "a job: x -> y"),
        ):
            pass
        with job_lock(tmp_path, "another job"):
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        with job_lock(tmp_path, "a job: x -> y"):
            assert lock_path(tmp_path, "a job: x -> y").read_text() == f"{os.getpid()}\n"
        assert lock_path(tmp_path, "a job: x -> y").read_text() == ""


def test_a_lock_is_free_again_after_its_block_and_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), job_lock(tmp_path, "job"):
        raise RuntimeError
    with job_lock(tmp_path, "job"), pytest.raises(AlreadyRunning), job_lock(tmp_path, "job"):
        pass


def test_a_folder_where_no_lock_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the lock file"), job_lock(tmp_path / "file", "job"):
        pass
