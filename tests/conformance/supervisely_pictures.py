"""Rows with pictures in a folder, for the tests that create images of Supervisely."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.core.labels import LabelRow, Media
from pipeline.core.rows import MediaMode, OpenRow, Rejection
from pipeline.ports import Plan, Target
from tests.conformance.opening import listed, placed, tasks_for
from tests.conformance.supervisely_project import ONTOLOGY, boxes

COPY = Plan("run", ontology=ONTOLOGY, media=MediaMode.COPY)
LINK = replace(COPY, media=MediaMode.LINK)


def picture(shade: int) -> bytes:
    found = cv2.imencode(".png", np.full((48, 64), shade, np.uint8))[1]
    return found.tobytes()


def drawn(folder: Path, shades: Mapping[str, int], **more: Any) -> list[LabelRow]:  # noqa: ANN401
    """Rows with pictures in a folder, of one shade each; those of one shade have the same bytes."""
    for name, shade in shades.items():
        (folder / name).write_bytes(picture(shade))
    media = {name: Media(name, path=name, width=64, height=48) for name in shades}
    return [replace(boxes(name, 1), media=(media[name],), **more) for name in shades]


async def results(target: Target, rows: Sequence[LabelRow], plan: Plan = COPY) -> list[OpenRow | Rejection]:
    tasks = tasks_for(rows)
    places = await placed(await target.prepare(plan, listed(rows)), tasks)
    return list(await target.open(tasks, places))


def reasons(found: Sequence[OpenRow | Rejection]) -> list[str]:
    return [row.reason for row in found if isinstance(row, Rejection)]
