"""A secret that the program was given is found nowhere that the program writes."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import coco, environment, labelferry, sandbox

CANARY = "canary5f1e9c7d3b"
PROJECT = "00000000-0000-4000-8000-000000000000"


class Echo(http.server.BaseHTTPRequestHandler):
    """Refuses everything, and repeats the credentials that came with it."""

    def do_GET(self) -> None:
        body = f'{{"message": "refused: {self.headers["Authorization"]}"}}'.encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name that the class looks for

    def log_message(self, format: str, *_args: object) -> None:  # noqa: A002 - the name that the class gives it
        """Say nothing."""


@contextmanager
def echo() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def assert_clean(folder: Path, *screens: str) -> None:
    written = [path for path in folder.rglob("*") if path.is_file()]
    for path in written:
        assert CANARY.encode() not in path.read_bytes(), path
    for screen in screens:
        assert CANARY not in screen


def test_a_key_that_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}{CANARY}\n-----END OPENSSH PRIVATE KEY-----\n"
    ended = labelferry(
        *("copy", "coco:instances.json", f"encord:{PROJECT}?url=http://127.0.0.1:9", "--report", "r.json"),
        *("--json-logs",),
        cwd=tmp_path,
        env={"ENCORD_SSH_KEY": key},
    )
    assert ended.code == 4, ended.text
    assert_clean(tmp_path, ended.text)


@pytest.mark.parametrize("place", [f"encord:{PROJECT}?token={CANARY}", f"segments:o/d?api_key={CANARY}"])
def test_a_server_that_repeats_a_token_does_not_bring_it_to_a_screen_or_a_file(
    tmp_path: Path, place: str
) -> None:
    coco(tmp_path / "instances.json")
    with echo() as url:
        address = f"{place}&url={url}"
        for more in ([], ["--json-logs"]):
            ended = labelferry(
                "copy", "coco:instances.json", address, "--report", "r.json", "--new", *more, cwd=tmp_path
            )
            assert ended.code not in {0, 3}, ended.text
            assert "refused" in ended.text
            assert_clean(tmp_path, ended.text)


def test_a_function_that_raises_with_a_secret_does_not_bring_it_into_the_journal(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    (tmp_path / "mine.py").write_text(
        "import os\ndef fix(row):\n    raise ValueError(os.environ['LABEL_STUDIO_API_KEY'])\n"
    )
    (tmp_path / "job.yaml").write_text(
        "source: {platform: coco, annotations: instances.json}\ntarget: {platform: archive, path: out}\n"
        "operations: [{call: 'mine:fix'}]\n"
    )
    env = {"LABEL_STUDIO_API_KEY": CANARY}
    ended = labelferry("run", "job.yaml", "--report", "r.json", cwd=tmp_path, env=env)
    assert ended.code == 3, ended.text
    listed = labelferry("rejects", "list", cwd=tmp_path)
    assert "ValueError" in listed.out
    assert_clean(tmp_path, ended.text, listed.text)


def test_a_bug_shows_one_line_and_keeps_its_trace_without_secrets(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    planted = (
        "import os, sys\nfrom pipeline import wiring\nfrom pipeline.cli import main\n"
        "async def run(*_):\n    raise RuntimeError('planted ' + os.environ['API_TOKEN'])\n"
        "wiring.run = run\nsys.argv = ['labelferry', 'copy', 'coco:instances.json', 'archive:out']\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", planted],
        cwd=tmp_path,
        env=environment({"API_TOKEN": CANARY}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "this is a bug: RuntimeError: planted" in done.stderr
    assert done.stderr.count("\n") == 1
    log = tmp_path / "labelferry-crash.log"
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert_clean(tmp_path, done.stdout, done.stderr)


def test_a_run_that_saves_rows_with_a_token_writes_it_nowhere(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    arguments = ["--seed", "instances.json", "--keys", "keys", "--option", f"token={CANARY}"]
    with sandbox(tmp_path, *arguments) as server:
        ended = labelferry(
            *("copy", "coco:instances.json", f"{server.address}&token={CANARY}", "--json-logs"),
            *("--report", "r.json"),
            cwd=tmp_path,
        )
    assert ended.code == 0, ended.text
    assert_clean(tmp_path, ended.text)


def test_a_run_that_uploads_files_tells_nobody_where_they_are(tmp_path: Path) -> None:
    path = coco(tmp_path / "instances.json")
    path.write_text(path.read_text().replace('"area"', '"segmentation": [[1, 2, 31, 2, 31, 42]], "area"'))
    arguments = ["--seed", "instances.json", "--option", f"key={CANARY}", "--option", "session_token=true"]
    arguments += ["--option", "task_type=segmentation-bitmap", "--option", "log=writes.jsonl"]
    (tmp_path / "job.yaml").write_text(
        "source: {platform: coco, annotations: instances.json, geometry: segmentation}\n"
        "target: {platform: segments, dataset: sandbox/dataset, url: URL}\n"
    )
    with sandbox(tmp_path, *arguments, platform="segments") as server:
        job = tmp_path / "job.yaml"
        job.write_text(job.read_text().replace("URL", server.url))
        ended = labelferry(
            "run", "job.yaml", "--json-logs", "--report", "r.json", cwd=tmp_path, env=server.env
        )
        assert ended.code == 0, ended.text
        landed = [row["labels"]["ground-truth"]["attributes"] for row in server.control("rows")]
    assert ended.code == 0, ended.text
    assert_clean(tmp_path, ended.text)
    for attributes in landed:
        url = attributes["segmentation_bitmap"]["url"].encode()
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not [path for path in written if url in path.read_bytes() or b"x-amz" in path.read_bytes()]
        assert url.decode() not in ended.text
