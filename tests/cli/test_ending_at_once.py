"""A second Ctrl-C ends the command at once, whatever a user's own function is doing."""

import json
import signal
import subprocess
from pathlib import Path

from tests.cli.command import command, environment

FUNCTION = """
import sys
import threading

def fix(row):
    print("the function runs", file=sys.stderr, flush=True)
    threading.Event().wait()
"""
JOB = """
name: held
source: {platform: coco, annotations: instances.json}
target: {platform: archive, path: out}
operations:
  - call: held:fix
"""
IMAGE = {"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}


def test_a_second_ctrl_c_does_not_wait_for_a_users_function(tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text(FUNCTION)
    (tmp_path / "job.yaml").write_text(JOB)
    file = {"images": [IMAGE], "annotations": [], "categories": []}
    (tmp_path / "instances.json").write_text(json.dumps(file))
    process = subprocess.Popen(
        command(["run", "job.yaml"]), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "the function runs" in line or "stopping:" in line:
            process.send_signal(signal.SIGINT)
    process.stderr.close()
    assert process.wait() == 130, "".join(said)
    assert "Traceback" not in "".join(said)
    assert "labelferry resume" in said[-1]
