"""Draws docs/demo.svg: what `labelferry demo` shows on a terminal, from a real run.

.venv/bin/python scripts/draw_demo.py [ROWS]
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS, LINES = 142, 40
LAST = "stopped"
"""The last line that is drawn begins with this; what to try next follows."""


def recorded(rows: int) -> str:
    """Run the demo on a terminal of its own and return everything that it wrote."""
    with TemporaryDirectory() as folder:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        words = [str(Path(sys.executable).parent / "labelferry"), "demo", "--rows", str(rows)]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        with subprocess.Popen(words, cwd=folder, env=environment, stdout=theirs, stderr=theirs) as demo:
            os.close(theirs)
            text = b"".join(_pieces(ours)).decode()
        os.close(ours)
        if demo.returncode:
            raise SystemExit(f"the demo ended with {demo.returncode}:\n{text}")
        return text


def _pieces(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            return
        if not piece:
            return
        yield piece


def shown(text: str) -> Iterator[str]:
    """Give the lines that stay on the screen, with one moment of the live line where it was."""
    moment, at = None, 0
    lines: list[str] = []
    for part in re.split(r"\r\n|\r|\n|\x1b\[2K|\x1b\[1A", re.sub(r"\x1b\[\?25[lh]", "", text)):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", part).strip()
        if "rows/s" in plain:
            at = at or len(lines)
            # The last one that is not about the last row: a run in full swing.
            if " left" in plain and " 0 s left" not in plain:
                moment = part
        elif plain:
            lines.append(part.rstrip())
    if moment is not None:
        lines.insert(at, moment.rstrip())
    for line in lines:
        yield line
        if line.startswith(LAST):
            return


def main(rows: int = 1000) -> None:
    """Run and draw."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi("$ scripts/demo"))
    for line in shown(recorded(rows)):
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    PICTURE.write_text(console.export_svg(title="labelferry"), encoding="utf-8")
    print(f"drew {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
