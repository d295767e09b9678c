"""Puts the stand-in together: a dataset from a seed, the service, its storage, and the address."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pipeline.core.labels import MediaKind
from pipeline.errors import UsageError
from pipeline.platforms.segments.convert.kinds import Kind, kind_for, kind_of
from pipeline.platforms.segments.convert.ontology import fitted, write_ontology
from pipeline.platforms.segments.stand_in.answers import PER_PAGE, Refused
from pipeline.platforms.segments.stand_in.api import Api, Gate
from pipeline.platforms.segments.stand_in.datasets import FIELDS, Datasets, checked
from pipeline.platforms.segments.stand_in.labels import Labels
from pipeline.platforms.segments.stand_in.media import Pictures
from pipeline.platforms.segments.stand_in.releases import Releases
from pipeline.platforms.segments.stand_in.samples import Samples
from pipeline.platforms.segments.stand_in.seeding import Planting
from pipeline.platforms.segments.stand_in.state import State
from pipeline.platforms.segments.stand_in.storage import Storage
from pipeline.platforms.segments.stand_in.world import World, labelset_json
from pipeline.ports import Running, Seed
from pipeline.sandbox import Options, Sandbox, read_options
from pipeline.sandbox import serve as serve_service

KEY = "sandbox-key"


class SegmentsOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the stand-in of Segments.ai. `title` is the name of its first dataset."""

    title: str = "dataset"
    user: str = "sandbox"
    """The owner of the first dataset, whom the key belongs to."""
    key: str = KEY
    """The API key that is taken."""
    task_type: str | None = None
    """The type of the first dataset, instead of one that fits the seed."""
    task_attributes: dict[str, Any] | None = None
    """Its task attributes as the service has them, instead of those drafted from the seed."""
    dataset: dict[str, Any] = msgspec.field(default_factory=dict)
    """Further fields of it, by their names on the wire: `enable_3d_cuboid_rotation`."""
    labelsets: tuple[str, ...] = ()
    """Labelsets that it has besides `ground-truth`."""
    sensors: dict[str, str] = msgspec.field(default_factory=dict)
    """Task types of the seed's sensors by name, instead of those that their media suggest."""
    check_labels: bool = True
    """Refuse labels that are none of the dataset's type, and those whose bitmaps are not there."""
    per_page_cap: int = PER_PAGE
    """The most samples on a page, whatever is asked for."""
    session_token: bool = False
    """Upload forms have an x-amz-security-token, as those of temporary credentials do."""
    upload_created: bool = False
    """Answer an upload with 201 and XML, instead of 204 and nothing."""
    upload_seconds: float = 3600.0
    """How long an upload form holds."""
    largest_asset: int = 100_000_000
    """The most bytes of an asset."""
    release_polls: int = 1
    """How often a release is asked for while it is pending."""
    release_fails: bool = False
    """Releases end as FAILED."""
    state: str | None = None
    """A file that keeps all datasets, samples, labels and assets: one that exists is gone on with."""
    throttle_first: int = 0
    """Answer so many requests with 429 and the service's text, before any is taken."""
    throttle_seconds: float = 1.0
    """The seconds that the text names."""
    throttle_text_only: bool = True
    """No Retry-After header: the seconds are in the text only."""
    throttle_kinds: tuple[str, ...] = ()
    """Requests that are throttled, by kind (empty: all of the service)."""


@asynccontextmanager
async def serve(seed: Seed, options: Mapping[str, Any]) -> AsyncIterator[Running]:
    """Serve a dataset with one sample per row of the seed, until the context ends.

    The options are those of `SegmentsOptions`.

    Raises:
        UsageError: an option is wrong, or the seed has rows that a dataset of Segments.ai cannot hold.
    """
    chosen = read_options(SegmentsOptions, options)
    sandbox, world = Sandbox(chosen), World(chosen.user)
    storage, pictures = _storage(chosen, sandbox), Pictures()
    releases = Releases(world, chosen.release_polls, fails=chosen.release_fails)
    storage.made = lambda path: pictures.make(path) or releases.file(path)
    prefix = chosen.prefix.rstrip("/")
    parts = (
        Labels(world, storage, sandbox, check=chosen.check_labels),
        Samples(world, sandbox, chosen.per_page_cap),
        Datasets(world),
        releases,
    )
    api = Api(world, storage, parts, sandbox, _gate(chosen), prefix)
    async with serve_service(api, sandbox) as address:
        storage.origin = releases.origin = address
        _plant(world, seed, chosen, Planting(address, pictures, chosen.sensors))
        with _kept(chosen, world, storage):
            url = address + prefix
            where = f"segments:{chosen.user}/{chosen.title}?url={url}"
            yield Running(url, where, {"SEGMENTS_API_KEY": chosen.key})


@contextmanager
def _kept(chosen: SegmentsOptions, world: World, storage: Storage) -> Iterator[None]:
    """Go on with the state that was kept, and keep it, where there is a file for it."""
    if chosen.state is None:
        yield
        return
    state = State(Path(chosen.state), world, storage)
    try:
        state.serve()
        yield
    finally:
        state.close()


def _storage(chosen: SegmentsOptions, sandbox: Sandbox) -> Storage:
    return Storage(
        chosen.user,
        sandbox,
        token=chosen.session_token,
        created=chosen.upload_created,
        seconds=chosen.upload_seconds,
        largest=chosen.largest_asset,
    )


def _gate(chosen: SegmentsOptions) -> Gate:
    return Gate(
        chosen.key,
        chosen.throttle_first,
        chosen.throttle_seconds,
        not chosen.throttle_text_only,
        chosen.throttle_kinds,
    )


def _plant(world: World, seed: Seed, chosen: SegmentsOptions, planting: Planting) -> None:
    kind = _kind(seed, chosen)
    attributes = chosen.task_attributes
    if attributes is None:
        # Classes that no dataset of this type can have are left out: the rehearsed job tells of them.
        attributes = write_ontology(fitted(seed.ontology, kind)[0], kind)
    drafted = {"task_type": kind.task_type, "task_attributes": attributes}
    given = {**drafted, "enable_3d_cuboid_rotation": kind.solid or kind.sensors, **chosen.dataset}
    if unknown := given.keys() - FIELDS.keys():
        raise UsageError(f"options of the sandbox: a dataset has no field {min(unknown)!r}")
    try:
        dataset = world.create(chosen.user, chosen.title, {**FIELDS, **checked(given)})
        for name in chosen.labelsets:
            dataset.labelsets[name] = labelset_json(name, "")
        for sample in planting.samples(dataset, seed.rows):
            world.add(sample)
    except Refused as error:
        raise UsageError(f"the sandbox cannot make a dataset from the seed: {error.detail}") from error


def _kind(seed: Seed, chosen: SegmentsOptions) -> Kind:
    if chosen.task_type is not None:
        return kind_of(chosen.task_type)
    media = seed.rows[0].media_kind if seed.rows else MediaKind.IMAGE
    shapes = {item.shape for item in seed.ontology.classes}
    return kind_for(shapes, media)
