"""Puts the stand-in together: a project from a seed, the service, and the address."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from pipeline.core.ontology import Ontology
from pipeline.platforms.supervisely.convert import merge_meta
from pipeline.platforms.supervisely.stand_in.account import Account
from pipeline.platforms.supervisely.stand_in.annotations import Annotations
from pipeline.platforms.supervisely.stand_in.answers import Json
from pipeline.platforms.supervisely.stand_in.api import Api
from pipeline.platforms.supervisely.stand_in.datasets import Datasets
from pipeline.platforms.supervisely.stand_in.figures import Figures
from pipeline.platforms.supervisely.stand_in.files import Files
from pipeline.platforms.supervisely.stand_in.groups import Keys
from pipeline.platforms.supervisely.stand_in.images import Images
from pipeline.platforms.supervisely.stand_in.paging import Paged
from pipeline.platforms.supervisely.stand_in.projects import Projects
from pipeline.platforms.supervisely.stand_in.seeding import DATASET, plant
from pipeline.platforms.supervisely.stand_in.state import State
from pipeline.platforms.supervisely.stand_in.tags import Tags
from pipeline.platforms.supervisely.stand_in.world import World
from pipeline.ports import Running, Seed
from pipeline.sandbox import Options, Sandbox, read_options
from pipeline.sandbox import serve as serve_service

TOKEN = "sandbox-token"  # noqa: S105 - of a local server


class SuperviselyOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the stand-in of Supervisely. `title` is the name of its first project."""

    title: str = "sandbox"
    token: str = TOKEN
    """The API token that is taken."""
    user: str = "sandbox"
    """The login of the user."""
    password: str = "sandbox"  # noqa: S105 - of a local server
    team: int = 7
    workspace: int = 619
    """The ids of the team and of its workspace."""
    version: str = "6.15.60"
    """The version of the service."""
    meta: dict[str, Any] | None = None
    """Classes and tags of the first project as the service has them, not those drafted from the seed."""
    binding: Literal["int", "str"] = "str"
    """How the key of a group of labels travels when it is read."""
    group_id: Literal["last", "first"] = "last"
    """The label of a group whose id is its key."""
    keep_keys: bool = False
    """Keep the keys of groups as they are sent."""
    keep_ids: bool = False
    """A label that is written with the id that it has keeps it; otherwise every writing gives new ids."""
    keep_left_out: bool = False
    """Classes and tags that an update of the meta leaves out stay; otherwise they go, with their labels."""
    check_bounds: bool = True
    """Refuse labels that are not in their image, unless a request says otherwise."""
    read_cap: int = 100
    """The most images of one bulk read of annotations."""
    per_page_cap: int = 20_000
    """The most items on a page, whatever is asked for."""
    in_order: bool = False
    """Replies of bulk reads come in the order that was asked for; otherwise in none."""
    link_sizes: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    """Width and height of pictures behind links, by URL; others are 640 x 480."""
    state: str | None = None
    """A file that keeps all that there is: one that exists is gone on with."""


@asynccontextmanager
async def serve(seed: Seed, options: Mapping[str, Any]) -> AsyncIterator[Running]:
    """Serve a project with one dataset, and an image per row of the seed in it, until the context ends.

    The options are those of `SuperviselyOptions`.

    Raises:
        UsageError: an option is wrong, or the seed has rows that a project of images cannot hold.
    """
    chosen = read_options(SuperviselyOptions, options)
    sandbox = Sandbox(chosen)
    world = World(chosen.user, chosen.team, chosen.workspace, keep=chosen.keep_left_out)
    files = Files(world, sandbox, chosen.link_sizes, shuffled=not chosen.in_order)
    prefix = chosen.prefix.rstrip("/")
    api = _api(chosen, world, files, sandbox, prefix)
    async with serve_service(api, sandbox) as address:
        files.origin = address
        meta = _drafted(seed.ontology) if chosen.meta is None else chosen.meta
        project = plant(world, files, chosen.title, chosen.workspace, meta, seed.rows)
        with _kept(chosen, world):
            url = address + prefix
            where = f"supervisely:{project.id}/{DATASET}?url={url}"
            yield Running(url, where, {"SERVER_ADDRESS": url, "API_TOKEN": chosen.token})


def _api(chosen: SuperviselyOptions, world: World, files: Files, sandbox: Sandbox, prefix: str) -> Api:
    paged = Paged(chosen.per_page_cap)
    keys = Keys(chosen.binding, chosen.group_id == "first", chosen.keep_keys)
    account = Account(world, paged, chosen.token, chosen.password, chosen.version)
    annotations = Annotations(
        world,
        sandbox,
        keys,
        paged,
        read_cap=chosen.read_cap,
        check=chosen.check_bounds,
        keep_ids=chosen.keep_ids,
        shuffled=not chosen.in_order,
    )
    parts = (
        Projects(world, sandbox, paged),
        Datasets(world, sandbox, paged),
        Images(world, files, sandbox, paged),
        annotations,
        Figures(world, sandbox, keys, paged, check=chosen.check_bounds),
        Tags(world, sandbox),
    )
    return Api(world, files, account, parts, sandbox, chosen.token, prefix)


def _drafted(ontology: Ontology) -> Json:
    # Classes that no project can have are left out: the rehearsed job tells of them.
    return merge_meta({"classes": [], "tags": []}, ontology).meta


@contextmanager
def _kept(chosen: SuperviselyOptions, world: World) -> Iterator[None]:
    """Go on with the state that was kept, and keep it, where there is a file for it."""
    if chosen.state is None:
        yield
        return
    state = State(Path(chosen.state), world)
    try:
        state.serve()
        yield
    finally:
        state.close()
