"""Exports of Supervisely projects for tests: written by hand, or through the target, and read back."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.core.labels import LabelRow
from pipeline.core.rows import Bundle, EditedRow, LabelTask, OpenRow, PackedRow, Place, Rejection, RowKey
from pipeline.errors import RowError
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import PictureReader
from pipeline.platforms.supervisely.disk import DiskSource, DiskTarget
from pipeline.platforms.supervisely.settings import Settings
from pipeline.ports import MatchRule, Plan, RowChoice, Tools
from tests.conformance.moving import encoded, no_channel, rows_of

Json = dict[str, Any]
SIZE = (48, 64)
"""Height and width."""

META: Json = {
    "classes": [
        {"title": "car", "shape": "rectangle", "color": "#FF00FF", "id": 11, "hotkey": "c"},
        {"title": "road", "shape": "polygon", "color": "#00FF00", "id": 12},
        {"title": "thing", "shape": "any", "color": "#0000FF", "id": 13, "own key": [1]},
    ],
    "tags": [
        {"name": "colour", "value_type": "oneof_string", "values": ["red", "blue"], "color": "#FF0000"},
        {"name": "seen", "value_type": "none", "color": "#FF0000", "id": 22},
    ],
    "projectType": "images",
}  # fmt: skip


def label(class_name: str, kind: str, **more: Any) -> Json:  # noqa: ANN401 - JSON
    return {
        "classTitle": class_name,
        "geometryType": kind,
        "shape": kind,
        "tags": [],
        "description": "",
        **more,
    }


def ring(*points: Sequence[float]) -> Json:
    return {"exterior": [list(point) for point in points], "interior": []}


CAR = label("car", "rectangle", id=900, classId=11, points=ring((1, 2), (20, 30)), instance="7") | {
    "tags": [{"name": "colour", "value": "red", "id": 5}],
    "labelerLogin": "ann",
    "nnCreated": False,
}
ROAD = label("road", "polygon", id=901, points=ring((0, 0), (63, 0), (63, 47)), instance="7")
POINT = label("thing", "point", points=ring((5.25, 6)))


def annotation(*labels: Json, **more: Any) -> Json:  # noqa: ANN401 - JSON
    size = {"height": SIZE[0], "width": SIZE[1]}
    return {"description": "", "size": size, "tags": [], "objects": list(labels), "customBigData": {}, **more}


def lay(folder: Path, files: dict[str, Any]) -> Path:
    """Write JSON, or bytes, by path below a folder, and the classes."""
    for name, content in {"meta.json": META, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def picture(size: tuple[int, int] = SIZE, ending: str = ".png") -> bytes:
    written, data = cv2.imencode(ending, np.full((*size, 3), 120, np.uint8))
    assert written
    return data.tobytes()


def files_in(folder: Path) -> list[str]:
    """All files, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def load(folder: Path, name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((folder / name).read_bytes())


def tools(
    scratch: Path, choice: RowChoice | None = None, by: str = "title", pictures: Path | None = None
) -> Tools:
    assets = Storage(Channels(lambda _: None))
    scratch.mkdir(parents=True, exist_ok=True)
    media = PictureReader(assets, pictures)
    return Tools(
        no_channel, scratch, lambda _: None, MatchRule(by), choice or RowChoice(), assets=assets, media=media
    )


def source_of(folder: Path, choice: RowChoice | None = None, **settings: Any) -> DiskSource:  # noqa: ANN401
    return DiskSource(Settings(folder=folder, **settings), tools(folder.parent / "scratch", choice))


async def read(folder: Path, **settings: Any) -> list[LabelRow]:  # noqa: ANN401
    return await rows_of(source_of(folder, **settings))


def tasks_from(rows: Iterable[LabelRow], paths: dict[str, str] | None = None) -> list[LabelTask]:
    return [
        LabelTask(RowKey(row.key, n, row.title, (paths or {}).get(row.key), row.key), row)
        for n, row in enumerate(rows)
    ]


@dataclass
class Outcome:
    """What became of each row."""

    packed: list[PackedRow]
    rejected: list[Rejection]


async def bring(
    folder: Path,
    tasks: Sequence[LabelTask],
    plan: Plan | None = None,
    *,
    by: str = "title",
    pictures: Path | None = None,
    append: bool = False,
    keyed: bool = True,
    **settings: Any,  # noqa: ANN401
) -> Outcome:
    """Bring rows to an export in bundles of two, as the flow does. A row of None is edited in place."""
    plan = plan or Plan("run")
    given = tools(folder.parent / "scratch", by=by, pictures=pictures)
    done = Outcome([], [])
    async with AsyncExitStack() as stack:
        target = DiskTarget(Settings(folder=folder, **settings), given, stack)
        places = await target.prepare(plan, _keys(tasks) if keyed else None)
        done.rejected += [problem async for problem in places.problems()]
        refused = {one.key.key for one in done.rejected}
        tasks = [task for task in tasks if task.key.key not in refused]
        found = await places.of([task.key for task in tasks])
        done.rejected += [one for one in found if isinstance(one, Rejection)]
        pairs = [(task, one) for task, one in zip(tasks, found, strict=True) if isinstance(one, Place)]
        opened = await target.open([task for task, _ in pairs], [place for _, place in pairs])
        done.rejected += [one for one in opened if isinstance(one, Rejection)]
        for one in opened:
            if isinstance(one, OpenRow):
                _pack(target, one, done, append=append)
        going = [row for row in done.packed if not row.unchanged and not plan.dry_run]
        for start in range(0, len(going), 2):
            report = await target.save(Bundle.of(going[start : start + 2]))
            assert len(report.saved) == len(going[start : start + 2])
        await target.finish(complete=True)
    return done


def _pack(target: DiskTarget, row: OpenRow, done: Outcome, *, append: bool) -> None:
    new = row.task.row or row.existing
    assert new is not None
    edited = EditedRow(row.task.key, row.place, encoded(new, "bitmap_png"), row.existing, append)
    try:
        done.packed.append(target.pack(target.arrange(edited)))
    except RowError as error:
        done.rejected.append(Rejection(row.task.key, "pack", str(error), new))


async def _keys(tasks: Sequence[LabelTask]) -> AsyncIterator[RowKey]:
    for task in tasks:
        yield task.key


async def copied(source: Path, target: Path, plan: Plan | None = None, **more: Any) -> Outcome:  # noqa: ANN401
    """Copy an export, with its classes, row by row."""
    found = source_of(source)
    plan = replace(plan or Plan("run"), ontology=await found.ontology())
    rows = await rows_of(found)
    paths = {row.key: row.key for row in rows}
    return await bring(target, tasks_from(rows, paths), plan, **{"by": "path", **more})
