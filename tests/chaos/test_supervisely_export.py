"""A job to an export of Supervisely on disk that is killed: no file is half, and the run goes on."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.chaos.rehearsal import SIZE, archive, assert_nothing_left, title_of, wait_until
from tests.cli.command import command, environment, labelferry

ROWS = 400
JOB = {
    "name": "export",
    "source": {"platform": "archive", "path": "../drawn"},
    "target": {"platform": "supervisely", "folder": "export"},
    "engine": {"bundle_rows": 20, "concurrency": 4, "linger": "1s", "workers": 1},
}


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(["run", "job.yaml"]),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive, and an export of it that nobody killed."""
    folder = tmp_path_factory.mktemp("exports")
    archive(folder / "drawn", ROWS)
    (folder / "quiet").mkdir()
    (folder / "quiet" / "job.yaml").write_text(json.dumps(JOB))
    assert labelferry("run", "job.yaml", cwd=folder / "quiet").code == 0
    return folder


@pytest.mark.parametrize("moment", [1, 30, 200])
def test_a_job_that_is_killed_goes_on_where_it_was(drawn: Path, moment: int) -> None:
    folder = drawn / f"killed at {moment}"
    folder.mkdir()
    (folder / "job.yaml").write_text(json.dumps(JOB))
    annotations = folder / "export" / "dataset" / "ann"
    process = start(folder)
    wait_until(process, lambda: len(list(annotations.glob("[!.]*.json"))) >= moment)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert_nothing_left(process.pid)
    for path in annotations.glob("[!.]*.json"):
        found = json.loads(path.read_bytes())
        assert found["size"] == {"height": SIZE, "width": SIZE}
    ended = labelferry("run", "job.yaml", cwd=folder)
    assert ended.code == 0, ended.text
    assert "resumed" in ended.text
    assert files(folder / "export") == files(drawn / "quiet" / "export")
    assert len(files(folder / "export")) == ROWS + 1
    assert f"dataset/ann/{title_of(0)}.json" in files(folder / "export")
