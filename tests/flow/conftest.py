"""One stand-in for all tests of the flow."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import Job, run_sync
from tests.cli.command import sandbox
from tests.flow.project import UNITS, Project, rows_of


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("flow")
    path = f"sqlite:///{folder / 'drawn.db'}"
    target = {"platform": "archive", "path": str(folder / "drawn")}
    run_sync(Job(name="drawn", source=rows_of(UNITS), target=target, journal=path))
    log = folder / "writes.jsonl"
    log.touch()
    options = ("--keys", folder / "keys", "--option", f"log={log}")
    with sandbox(folder, "--seed", folder / "drawn", *options) as server:
        yield Project(folder, server, log)


@pytest.fixture
def project(served: Project, tmp_path: Path) -> Project:
    """The project without labels, faults and logged writes."""
    served.server.control("faults", {})
    served.server.control("reset", {})
    served.log.write_bytes(b"")
    return Project(tmp_path, served.server, served.log)
