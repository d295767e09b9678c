"""Part files: what survives a kill and a full disk."""

import signal
import subprocess
import sys
from pathlib import Path

from pipeline.io.parts import Parts, Record, publish, unfinished, write_beside

KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.io.parts import Parts, Record
parts = Parts(Path(sys.argv[1]), "run1", Path(sys.argv[2]))
parts.begin()
for number in range(3):
    parts.write(f"b{number}", [Record(number, f"k{number}", b'{"key":"k%d"}' % number)])

def lines():
    yield b"half"
    os.kill(os.getpid(), signal.SIGKILL)

from pipeline.io import parts as module
module.write_beside(parts.folder / "b3.part", lines())
"""


def test_a_kill_in_the_middle_of_a_part_leaves_the_parts_before_it(tmp_path: Path) -> None:
    output, scratch = tmp_path / "rows.jsonl", tmp_path / "scratch"
    done = subprocess.run([sys.executable, "-c", KILLED, output, scratch], check=False, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL
    parts = Parts(output, "run1", scratch)
    assert parts.begun
    parts.write("b4", [Record(1, "k1", b'{"key":"k1","title":"again"}')])
    with parts.index() as index:
        assert list(index.rows()) == [b'{"key":"k0"}', b'{"key":"k1","title":"again"}', b'{"key":"k2"}']


LIMITED = """
import resource, sys, signal
from pathlib import Path
from pipeline.errors import Stopped
from pipeline.io.parts import Parts, Record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
parts = Parts(Path(sys.argv[1]), "run1", Path(sys.argv[2]))
parts.begin()
try:
    parts.write("b", [Record(0, "k", b"x" * 100_000)])
except Stopped as error:
    print(error)
"""


def test_a_full_disk_stops_the_run_and_leaves_no_part(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "rows.jsonl", tmp_path / "scratch"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "make room there, then resume" in done.stdout
    with Parts(tmp_path / "rows.jsonl", "run1", tmp_path / "scratch").index() as index:
        assert len(index) == 0


def test_a_link_that_lies_where_a_file_is_written_is_not_followed(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "folder" / "a.json"
    other.write_text("mine")
    path.parent.mkdir()
    unfinished(path).symlink_to(other)
    write_beside(path, [b"new"])
    publish(path)
    assert (other.read_text(), path.read_text(), path.is_symlink()) == ("mine", "new", False)
