"""Adds figures to images: multipolygons and alpha masks, which an annotation cannot carry when it is written.

Adding is not idempotent. So before figures are added again, the annotations of their images are put again,
which takes away whatever arrived of an attempt that had no answer. Afterwards the labels are counted: another
job that writes the same images at the same time may have added its own figures between.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.core.rows import PackedRow
from pipeline.errors import BundleRefused, TransientError
from pipeline.platforms.supervisely.client import FIGURES_AT_ONCE, Client
from pipeline.platforms.supervisely.convert import extra_figures
from pipeline.platforms.supervisely.wire import Json
from pipeline.ports import Answer

BITMAP, GROUP = "bitmap", "instance"
ROUNDS = 5
"""Times that an image is written where somebody else adds labels to it meanwhile."""
_KEPT = ("classTitle", "geometryType")
"""Keys of a label that no server changes."""


class _Annotation(msgspec.Struct):
    objects: list[Json] = []


class _Line(msgspec.Struct):
    annotation: _Annotation


@dataclass(frozen=True, slots=True)
class Extra:
    """What is added to one image. `labels` are those that its annotation holds, as they were sent."""

    id: str
    figures: Sequence[Json]
    labels: Sequence[Json]

    @classmethod
    def of(cls, row: PackedRow) -> "Extra":
        """Return what a packed row adds."""
        line = msgspec.json.decode(row.payload.partition(b"\n")[0], type=_Line)
        return cls(row.place.id, extra_figures(row.payload), line.annotation.objects)

    @property
    def shared(self) -> set[str]:
        """The groups that have both labels of the annotation and added figures."""
        return _groups(self.figures) & _groups(self.labels)

    @property
    def count(self) -> int:
        """How many labels the image has in the end."""
        return len(self.figures) + len(self.labels)


def parts_of_rows(rows: Sequence[PackedRow]) -> Iterator[list[PackedRow]]:
    """Give the rows in parts whose figures fit one request; the figures of one image stay together."""
    part: list[PackedRow] = []
    figures = 0
    for row in rows:
        count = len(extra_figures(row.payload))
        if part and figures + count > FIGURES_AT_ONCE:
            yield part
            part, figures = [], 0
        part.append(row)
        figures += count
    if part:
        yield part


class Figures:
    """The figures of some rows of one dataset, whose annotations are put. `again` puts them once more."""

    def __init__(
        self, client: Client, dataset: int, rows: Sequence[PackedRow], again: Callable[[], Awaitable[None]]
    ) -> None:
        self._client = client
        self._dataset = dataset
        self._extras = [Extra.of(row) for row in rows]
        self._names = {extra.id: extra.id for extra in self._extras}
        self._again = again
        self._keys: Mapping[tuple[str, str], Any] = {}

    async def add(self, tries: int | None = None) -> None:
        """Add the figures, and bring the geometries of those that have theirs apart.

        Raises BundleRefused, or TransientError after which everything has to start with the annotations.
        """
        wrong = ""
        for left in reversed(range(ROUNDS)):
            repeated = await self._add(tries)
            wrong = await self._miscounted(exactly=repeated)
            if not wrong:
                return
            if left:
                await self._again()
        raise TransientError(f"{wrong}; somebody else adds some, or an earlier attempt arrived late")

    async def _add(self, tries: int | None) -> bool:
        """Add them once. Returns whether a request was repeated that may have been carried out."""
        await self._learn_keys()
        repeated = False

        async def settle() -> Answer | None:
            nonlocal repeated
            repeated = True
            await self._again()
            await self._learn_keys()
            return None

        ids = await self._client.add_figures(self._dataset, self._bodies, self._names, settle, tries)
        figures = [figure for extra in self._extras for figure in extra.figures]
        if len(ids) != len(figures):
            raise TransientError(f"Supervisely made {len(ids)} figures of {len(figures)}", unknown=True)
        apart = [(key, figure[BITMAP]) for key, figure in zip(ids, figures, strict=True) if BITMAP in figure]
        for start in range(0, len(apart), FIGURES_AT_ONCE):
            some = dict(apart[start : start + FIGURES_AT_ONCE])
            await self._client.put_geometries(some, self._names, tries)
        return repeated

    def _bodies(self) -> list[Json]:
        return [self._body(extra, figure) for extra in self._extras for figure in extra.figures]

    def _body(self, extra: Extra, figure: Json) -> Json:
        body = {key: value for key, value in figure.items() if key != BITMAP}
        if GROUP in body:
            body[GROUP] = self._keys.get((extra.id, str(body[GROUP])), body[GROUP])
        return body

    async def _learn_keys(self) -> None:
        """Find the keys that the server gave to groups which the figures are in, too."""
        asked = [extra for extra in self._extras if extra.shared]
        if not asked:
            return
        found, _ = await self._client.annotations(self._dataset, [int(extra.id) for extra in asked])
        self._keys = {
            (extra.id, group): _key_of(extra, group, found.get(int(extra.id), {}).get("objects") or [])
            for extra in asked
            for group in extra.shared
        }

    async def _miscounted(self, *, exactly: bool) -> str:
        """Say which image has more labels than it should have, or where `exactly`, fewer."""
        found, _ = await self._client.annotations(self._dataset, [int(extra.id) for extra in self._extras])
        for extra in self._extras:
            count = len(found.get(int(extra.id), {}).get("objects") or [])
            if count > extra.count or (exactly and count != extra.count):
                return f"image {extra.id} has {count} labels, though {extra.count} were sent"
        return ""


def _groups(labels: Sequence[Json]) -> set[str]:
    return {str(label[GROUP]) for label in labels if label.get(GROUP) is not None}


def _key_of(extra: Extra, group: str, found: Sequence[Json]) -> Any:  # noqa: ANN401 - text or a number
    """Return the key that the server gave to a group, as it came. BundleRefused where there is none."""
    same = len(found) == len(extra.labels) and all(
        one.get(key) == other.get(key)
        for one, other in zip(extra.labels, found, strict=True)
        for key in _KEPT
    )
    for at, label in enumerate(extra.labels):
        if str(label.get(GROUP)) != group:
            continue
        like = found[at : at + 1] if same else [one for one in found if _drawn(one) == _drawn(label)]
        for one in like:
            if one.get(GROUP) is not None:
                return one[GROUP]
    text = f"Supervisely kept no group for labels of image {extra.id} that are bound to figures of their own"
    raise BundleRefused(text, rows={extra.id: text})


def _drawn(label: Json) -> Json:
    """Return what tells labels apart: all keys of the class and the geometry."""
    return {key: label.get(key) for key in (*_KEPT, "points", "parts", "bitmap", "nodes", "angle")}
