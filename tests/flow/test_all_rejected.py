"""A file target of which every row is rejected is left as it was, and takes the rows of a retry."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import Job, Report, RunOptions, run_sync
from pipeline.core.labels import LabelRow
from pipeline.errors import RowError
from tests.flow.project import rows_of

ROWS = rows_of(3)


def refuse(_: LabelRow) -> LabelRow:
    raise RowError("no")


def one_box(row: LabelRow) -> LabelRow:
    return replace(row, objects=row.objects[:1])


@pytest.mark.parametrize(("platform", "key"), [("coco", "annotations"), ("archive", "path")])
def test_a_job_whose_rows_are_all_rejected_writes_nothing_and_can_be_run_again(
    tmp_path: Path, platform: str, key: str
) -> None:
    def go(*operations: object, mode: str | None = None) -> Report:
        target = {"platform": platform, key: str(tmp_path / "out")}
        journal = f"sqlite:///{tmp_path}/labelferry.db"
        job = Job(
            name="job", source=ROWS, target=target, operations=list(operations), mode=mode, journal=journal
        )
        return run_sync(job, RunOptions(new=True))

    def there() -> dict[Path, bytes]:
        output = tmp_path / "out"
        return {path: path.read_bytes() for path in (output, *output.rglob("*")) if path.is_file()}

    assert go(refuse).rows == {"rejected": len(ROWS)}
    assert there() == {}
    assert go(one_box).rows == {"saved": len(ROWS)}
    before = there()
    assert before
    assert go(refuse, mode="replace").rows == {"rejected": len(ROWS)}
    assert there() == before
