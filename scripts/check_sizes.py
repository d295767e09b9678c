"""Checks the size and naming rules of the code, and prints one line for each breach.

A module has at most 400 lines and a function 40, in the package, its tests and its scripts; a function that
is a table (a command of the command line, most of whose lines are its options) has 60. The median module of
the package has at most 150 lines, and `flow.py`, the file to read first, fewer than 200.
"""

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("pipeline", "scripts", "tests")
TEXT = (*CODE, "configs", "docs", ".ci")
MODULE, MEDIAN, FLOW, FUNCTION, TABLE = 400, 150, 199, 40, 60
NAMES = frozenset({"utils", "util", "helpers", "helper", "base", "manager", "handler", "common", "misc"})
HOME = re.compile(r"(?<![\w.])/" + r"(?:work|home|root|Users)/\w")
"""A path that exists on one machine only."""
BESIDE = re.compile(r"\.\./" + "shared")
"""Test data beside the repository; only the tests may know of it, and do without."""


def modules(folder: str) -> Iterator[Path]:
    """Give the Python files below a folder of the repository, in order."""
    yield from sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def texts() -> Iterator[Path]:
    """Give every file that a reader of the repository reads."""
    yield from sorted(path for path in ROOT.iterdir() if path.suffix in {".md", ".toml"})
    for folder in TEXT:
        found = (ROOT / folder).rglob("*")
        yield from sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def name_breaches(path: Path) -> Iterator[str]:
    """Refuse modules and folders whose name says nothing."""
    place = path.relative_to(ROOT)
    for part in {path.stem, *place.parts[:-1]} & NAMES:
        yield f"{place}:1 a module named {part!r}: name it for what it does"


def size_breaches(path: Path) -> Iterator[str]:
    """Refuse modules and functions that are too long."""
    place, source = path.relative_to(ROOT), path.read_text(encoding="utf-8")
    length, limit = len(source.splitlines()), FLOW if place == Path("pipeline/flow.py") else MODULE
    if length > limit:
        yield f"{place}:1 module of {length} lines, limit {limit}"
    try:
        tree = ast.parse(source, place.as_posix())
    except SyntaxError as error:
        yield f"{place}:{error.lineno} not the Python that runs this: {error.msg}"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            signature = node.body[0].lineno - node.lineno
            limit = TABLE if signature > lines / 2 else FUNCTION
            if lines > limit:
                yield f"{place}:{node.lineno} function {node.name} of {lines} lines, limit {limit}"


def median_breaches() -> Iterator[str]:
    """Refuse a package whose modules are long as a habit; `__init__` modules do not count."""
    paths = [path for path in modules("pipeline") if path.stem != "__init__"]
    median = statistics.median(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
    if median > MEDIAN:
        yield f"pipeline:1 the median of its {len(paths)} modules is {median:g} lines, limit {MEDIAN}"


def path_breaches(path: Path) -> Iterator[str]:
    """Refuse paths that another machine does not have."""
    place = path.relative_to(ROOT)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, 1):
        if HOME.search(line) or (BESIDE.search(line) and place.parts[0] != "tests"):
            yield f"{place}:{number} a path that exists on one machine only"


def breaches() -> Iterator[str]:
    """Give every breach of the rules."""
    for folder in CODE:
        for path in modules(folder):
            yield from name_breaches(path)
            yield from size_breaches(path)
    yield from median_breaches()
    for path in texts():
        yield from path_breaches(path)


def main() -> None:
    """Print the breaches; exit 1 if there are any."""
    found = list(breaches())
    print("\n".join(found) or "sizes and names are within their limits")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
