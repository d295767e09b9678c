"""What a stand-in starts with, read from any source that labelferry knows."""

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow
from pipeline.core.ontology import ClassDef, ClassificationDef, Ontology
from pipeline.core.rows import LabelTask, RowKey
from pipeline.errors import UsageError
from pipeline.io.assets import Storage
from pipeline.io.channel import Channels
from pipeline.io.media import PictureReader
from pipeline.job import parse_address
from pipeline.ports import Seed, Tools
from pipeline.wiring.ends import settings_of


async def seed_from(places: Sequence[str]) -> Seed:
    """Read one data unit per image, and the classes met, from files, folders or addresses.

    A path without a platform is an archive where it is a folder, else a COCO file. Rows of several places
    with one title are one data unit. Raises UsageError.
    """
    rows: dict[str, LabelRow] = {}
    classes: dict[tuple[str, str], ClassDef] = {}
    classifications: dict[str, ClassificationDef] = {}
    for place in places:
        ontology, found = await _read(place)
        for row in found:
            rows.setdefault(row.title or row.key, row)
        classes = {(item.name, item.shape.value): item for item in ontology.classes} | classes
        classifications = {item.name: item for item in ontology.classifications} | classifications
    return Seed(Ontology(tuple(classes.values()), tuple(classifications.values())), tuple(rows.values()))


async def _read(place: str) -> tuple[Ontology, list[LabelRow]]:
    address = place
    if ":" not in place or await anyio.Path(place).exists():
        address = f"{'archive' if await anyio.Path(place).is_dir() else 'coco'}:{place}"
    platform, settings = settings_of(parse_address(address), f"seed {place}")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="labelferry-")))
        channels = await stack.enter_async_context(Channels(lambda _: None))
        assets = Storage(channels)
        tools = Tools(channels.get, folder, lambda _: None, assets=assets, media=PictureReader(assets))
        source = (await stack.enter_async_context(platform.connect(settings, tools))).source()
        ontology = await source.ontology() or Ontology()
        pairs: set[tuple[str, Shape]] = set()
        rows: list[LabelRow] = []
        async for task in source.tasks(_all):
            if isinstance(task, LabelTask) and task.row is not None:
                pairs |= {(item.class_name, item.shape) for item in task.row.objects}
                bare = replace(task.row, objects=(), classifications=(), groups=(), relations=(), raw=None)
                rows.append(bare)
        used = tuple(one for item in ontology.classes for one in _met(item, pairs, ontology))
    if not rows:
        message = f"seed {place}: there is no row in it to make a data unit of"
        raise UsageError(message)
    return replace(ontology, classes=used).without_ids(), rows


def _met(item: ClassDef, pairs: Collection[tuple[str, Shape]], ontology: Ontology) -> list[ClassDef]:
    """A class that labels are of; one of any shape as a class of each shape that they have."""
    if item.shape is not Shape.ANY:
        return [item] if (item.name, item.shape) in pairs else []
    shapes = sorted(shape for name, shape in pairs if ontology.find(name, shape) is item)
    return [
        replace(item, shape=shape, skeleton=item.skeleton if shape is Shape.SKELETON else None)
        for shape in shapes
    ]


async def _all(keys: Sequence[RowKey]) -> set[str]:
    return {key.key for key in keys}
