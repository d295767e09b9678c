"""Creates images for rows that the project does not have: by hash, or by link.

Adding images is not idempotent: before a request is repeated that may have been carried out, the dataset is
asked which of the names it has. What happens where somebody else took a name is the job's choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Final

from pipeline.core.labels import LabelRow, Media, MediaKind
from pipeline.core.rows import MediaMode
from pipeline.errors import BundleRefused, LabelferryError, RowError
from pipeline.io.streams import together
from pipeline.platforms.supervisely.client import AT_ONCE, Client
from pipeline.platforms.supervisely.project import image_of
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.uploading import Uploads
from pipeline.platforms.supervisely.wire import Image, Json
from pipeline.ports import Answer, Pictures, Plan

MARK: Final = "labelferry"
"""The key of an image's metadata that says which row it was made for, where rows may share their names."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image to create, in the dataset of this path and id (0: in a dry run)."""

    key: str
    row: LabelRow
    dataset: str
    id: int

    @property
    def name(self) -> str:
        """What the image is to be called."""
        return self.row.title or self.row.key

    @property
    def media(self) -> Media:
        """Its picture. Raises RowError for a row of anything but one picture."""
        row = self.row
        if row.media_kind is not MediaKind.IMAGE or len(row.media) != 1 or row.sensors:
            raise RowError(f"row {self.name!r}: it is no picture, and the project takes pictures only")
        return row.media[0]


@dataclass(frozen=True, slots=True)
class Made:
    """An image for a row. `found`: somebody else's of that name is used, which may have labels."""

    image: Image
    found: bool = False


@dataclass(slots=True)
class Batch:
    """Images of one dataset on their way: bodies by name, with the row of each, and what came of them."""

    rows: dict[str, Wanted]
    bodies: dict[str, Json]
    infos: dict[str, Json] = field(default_factory=dict)
    failed: dict[str, RowError] = field(default_factory=dict)
    adopted: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    """Rows of whose image it is not known whether an attempt made it."""

    def left(self) -> list[Json]:
        """Return the bodies of those that are still to be created."""
        return [self.bodies[name] for name in self.names()]

    def names(self) -> list[str]:
        """Return the names of those that are still to be created."""
        return [name for name in self.bodies if name not in self.infos and name not in self.failed]


class Images:
    """Creates images. What was created stays known until it is opened, lest a repeat makes it again."""

    def __init__(self, client: Client, settings: Settings, pictures: Pictures) -> None:
        self._client = client
        self._settings = settings
        self._pictures = pictures
        self._uploads = Uploads(client, pictures)
        self._made: dict[str, Made] = {}
        self._unsure: set[str] = set()

    async def make(self, rows: Sequence[Wanted], plan: Plan) -> dict[str, Made | RowError]:
        """Return the image of each row by its key, or why there can be none.

        Raises BundleRefused, TransientError or FatalError.
        """
        done: dict[str, Made | RowError] = {
            row.key: self._made[row.key] for row in rows if row.key in self._made
        }
        pictures: dict[str, Media] = {}
        for row in rows:
            try:
                pictures |= {} if row.key in done else {row.key: row.media}
            except RowError as error:
                done[row.key] = error
        sources = await (self._planned(pictures) if plan.dry_run else self._sources(pictures, plan.media))
        by_dataset: dict[int, list[tuple[Wanted, Json]]] = {}
        for row in rows:
            source = sources.get(row.key)
            if isinstance(source, RowError):
                done[row.key] = RowError(f"row {row.name!r}: {source}")
            elif source is not None and plan.dry_run:
                done[row.key] = Made(_image(row, row.media, source))
            elif source is not None:
                by_dataset.setdefault(row.id, []).append((row, source))
        calls = [
            partial(self._outcome, dataset, some[start : start + AT_ONCE])
            for dataset, some in by_dataset.items()
            for start in range(0, len(some), AT_ONCE)
        ]
        for outcome in await together(calls):
            if isinstance(outcome, LabelferryError):
                raise outcome
            done |= outcome
        return done

    def opened(self, keys: Sequence[str]) -> None:
        """Forget images: their rows are opened, and are not asked for again."""
        for key in keys:
            self._made.pop(key, None)

    # ---- where pictures come from ----------------------------------------------------------------------

    async def _sources(self, pictures: Mapping[str, Media], mode: MediaMode) -> dict[str, Json | RowError]:
        """Return by key what of an image's body says where its picture is."""
        if mode is not MediaMode.LINK:
            stored = await self._uploads.stored(pictures)
            return {key: one if isinstance(one, RowError) else {"hash": one} for key, one in stored.items()}
        links = {key: media.url for key, media in pictures.items() if media.url is not None}
        known = await self._uploads.known({key: one for key, one in pictures.items() if key not in links})
        text = "the source gives no URL of its picture; use `media: copy`"
        return {
            key: {"link": links[key]}
            if key in links
            else {"hash": known[key]}
            if key in known
            else RowError(text)
            for key in pictures
        }

    async def _planned(self, pictures: Mapping[str, Media]) -> dict[str, Json | RowError]:
        """Look, as far as it costs little, whether the pictures can be had."""

        async def look(media: Media) -> Json | RowError:
            if media.url is not None or media.sha256 is not None:
                return {}
            try:
                size = await self._pictures.size_of(media)
            except RowError as error:
                return error
            return {} if size is None else {"width": size[0], "height": size[1]}

        found = await together([partial(look, media) for media in pictures.values()])
        return dict(zip(pictures, found, strict=True))

    # ---- creating --------------------------------------------------------------------------------------

    async def _outcome(
        self, dataset: int, some: Sequence[tuple[Wanted, Json]]
    ) -> dict[str, Made | RowError] | LabelferryError:
        """Create some images. A failure is returned, so that it does not end the other requests."""
        try:
            return await self._add(dataset, some)
        except LabelferryError as error:
            return error

    async def _add(self, dataset: int, some: Sequence[tuple[Wanted, Json]]) -> dict[str, Made | RowError]:
        batch, twice = _batch(some, marked=self._settings.if_image_taken == "new-name")
        batch.unsure = {row.key for row, _ in some} & self._unsure
        done: dict[str, Made | RowError] = {}
        if self._settings.if_image_taken == "new-name":
            await self._part(dataset, batch, twice)
        else:
            done |= {row.key: RowError(_shared(row)) for row, _ in twice}
        if batch.unsure:
            await self._find(dataset, batch)
        while batch.names():
            self._unsure.update(batch.rows[name].key for name in batch.names())
            await self._add_once(dataset, batch)
        self._unsure.difference_update(row.key for row, _ in some)
        for name, row in batch.rows.items():
            if name in batch.failed:
                done[row.key] = batch.failed[name]
                continue
            image = image_of(batch.infos[name], dataset, row.dataset)
            self._made[row.key] = done[row.key] = Made(image, name in batch.adopted)
        return done

    async def _add_once(self, dataset: int, batch: Batch) -> None:
        """Send those that are left. A name that is taken is settled, for the next time."""

        async def settle() -> Answer | None:
            batch.unsure.update(row.key for row in batch.rows.values())
            await self._find(dataset, batch)
            return None if batch.names() else Answer(200, {}, b"[]")

        try:
            made = await self._client.add_images(dataset, batch.left, settle)
        except BundleRefused as refusal:
            await self._refused(dataset, batch, refusal)
            return
        names = batch.names()
        by_name = {str(info.get("name") or info.get("title")): info for info in made}
        for at, name in enumerate(names):
            info = by_name.get(name) or (made[at] if len(made) == len(names) else None)
            if info is None:
                batch.failed[name] = RowError(
                    f"row {name!r}: Supervisely did not say that it made an image of it"
                )
            else:
                batch.infos[name] = info

    async def _find(self, dataset: int, batch: Batch) -> None:
        """Look for images that an earlier attempt made."""
        for name, info in (await self._client.images_named(dataset, batch.names())).items():
            if batch.rows[name].key in batch.unsure and _same(info, batch.bodies[name]):
                batch.infos[name] = info

    async def _refused(self, dataset: int, batch: Batch, refusal: BundleRefused) -> None:
        """Find out whose names are taken. Raises the refusal where it is about none of them."""
        names = batch.names()
        taken = await self._client.images_named(dataset, names)
        refused = {name: why for name, why in refusal.rows.items() if name in names and name not in taken}
        if not taken and not refused:
            rows = {batch.rows[name].key: why for name, why in refusal.rows.items() if name in batch.rows}
            raise BundleRefused(
                str(refusal), rows=rows, too_large=refusal.too_large, at_most=refusal.at_most
            ) from refusal
        for name, why in refused.items():
            batch.failed[name] = RowError(f"row {name!r}: {why}")
        for name, info in taken.items():
            # What the refusal does not name was made by this request, or by one whose answer was lost.
            own = batch.rows[name].key in batch.unsure or (refusal.rows and name not in refusal.rows)
            if own and _same(info, batch.bodies[name]):
                batch.infos[name] = info
            else:
                await self._taken(dataset, batch, name, info)

    async def _taken(self, dataset: int, batch: Batch, name: str, info: Json) -> None:
        choice = self._settings.if_image_taken
        if choice == "use" or (choice == "new-name" and _same(info, batch.bodies[name])):
            batch.infos[name] = info
            batch.adopted.add(name)
        elif choice == "new-name":
            row, body = batch.rows.pop(name), batch.bodies.pop(name)
            await self._find_name(dataset, batch, row, body)
        else:
            where = f"dataset {batch.rows[name].dataset!r} has an image of that name"
            text = f"{where} ({info.get('id')}); set `if_image_taken`, or choose another `match`"
            batch.failed[name] = RowError(f"row {name!r}: {text}")

    async def _part(self, dataset: int, batch: Batch, twice: Sequence[tuple[Wanted, Json]]) -> None:
        """Give rows other names that share theirs with a row of the batch.

        Of rows of one name it stays with the one whose image has it already.
        """
        there = await self._client.images_named(dataset, list({row.name for row, _ in twice}))
        for row, body in twice:
            info, other = there.get(row.name), (row, body)
            if info is not None and _same(info, body):
                other = batch.rows[row.name], batch.bodies[row.name]
                batch.rows[row.name], batch.bodies[row.name] = row, body
            await self._find_name(dataset, batch, *other)

    async def _find_name(self, dataset: int, batch: Batch, row: Wanted, source: Json) -> None:
        """Give an image the first free name, or find the image that was made for its row before."""
        number = 0
        while True:
            names = [_numbered(row.name, at) for at in range(number + 1, number + AT_ONCE + 1)]
            there = await self._client.images_named(dataset, names)
            for name in names:
                info = there.get(name)
                if name in batch.bodies or (info is not None and not _same(info, source)):
                    continue
                batch.rows[name], batch.bodies[name] = row, {**source, "title": name}
                if info is not None:
                    batch.infos[name] = info
                    batch.adopted.add(name)
                return
            number += AT_ONCE


def _batch(some: Sequence[tuple[Wanted, Json]], *, marked: bool) -> tuple[Batch, list[tuple[Wanted, Json]]]:
    """Return the images by name, and those whose name another one of them has."""
    batch, twice = Batch({}, {}), []
    for row, source in some:
        meta = {**row.row.metadata, **({MARK: _mark(row.key)} if marked else {})}
        body = {"title": row.name, **source, **({"meta": meta} if meta else {})}
        if row.name in batch.bodies:
            twice.append((row, body))
        else:
            batch.rows[row.name], batch.bodies[row.name] = row, body
    return batch, twice


def _shared(row: Wanted) -> str:
    """Why a row has no image where another row of its batch has the same name."""
    text = f"another row of the job is to be the image of that name in dataset {row.dataset!r}"
    return f"row {row.name!r}: {text}; rename one, or set `if_image_taken: new-name`"


def _same(info: Json, body: Json) -> bool:
    """Whether an image may be the one that this was to create: of the same picture, and row if marked."""
    mark = body.get("meta", {}).get(MARK)
    if mark is not None and (info.get("meta") or {}).get(MARK) != mark:
        return False
    return any(body.get(key) is not None and info.get(key) == body[key] for key in ("hash", "link"))


def _numbered(name: str, number: int) -> str:
    path = PurePosixPath(name)
    return f"{name[: len(name) - len(path.suffix)]}_{number:03d}{path.suffix}"


def _mark(key: str) -> str:
    """Return what says that an image was made for a row: the same in every run."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def _image(row: Wanted, media: Media, size: Json) -> Image:
    """Return an image that a dry run does not create."""
    width, height = (getattr(media, side) or size.get(side) for side in ("width", "height"))
    meta = dict(row.row.metadata)
    return Image(name=row.name, dataset_id=row.id, dataset=row.dataset, width=width, height=height, meta=meta)
