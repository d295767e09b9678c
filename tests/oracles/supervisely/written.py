"""Annotations that the vendor's SDK wrote, and what it sees of them later, in a form that can be compared."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy

from tests.oracles.supervisely.samples import KINDS, META, annotation, label
from tests.oracles.supervisely.served import Json, Sdk, Served, pictures, served

TAGS: list[list[object]] = [
    ["seen", None],
    ["text", "x"],
    ["speed", 1],
    ["colour", "red"],
    ["day", "2026-01-02"],
]
STATUSES = ("manual", "auto", "corrected")


def everything() -> Json:
    """An annotation with all that the SDK can write."""
    labels = [
        label(
            kind,
            group=f"group {at % 3}" if at % 4 else None,
            tags=TAGS if at % 2 else [],
            description=f"a {kind}",
            status=STATUSES[at % 3],
        )
        for at, kind in enumerate(KINDS)
    ]
    labels += [label(kind, "thing") for kind in KINDS]
    return annotation(
        *labels, tags=[*TAGS, ["only-images", None]], description="rain", custom={"k": [1, 2.5]}
    )


@asynccontextmanager
async def written(sdk: Sdk, binding: str = "str") -> AsyncIterator[Served]:
    """Two images; the SDK wrote an annotation of the first one."""
    async with served(sdk, pictures(2), meta=META, binding=binding) as server:
        first = next(iter(server.images.values()))
        await server.sdk("write", project=server.project, annotations={str(first): everything()})
        yield server


async def seen(server: Served, of_project: int | None = None, dataset: int | None = None) -> list[Json]:
    """What the SDK reads of every image of a dataset, without ids; groups are told by their first label."""
    where = server.dataset if dataset is None else dataset
    listed = await server.sdk("images", dataset=where, sort="name")
    found: list[Json] = await server.sdk(
        "read", project=of_project or server.project, dataset=where, ids=[one["id"] for one in listed]
    )
    for one in found:
        del one["image"]
        first: dict[object, int] = {}
        for at, item in enumerate(one["labels"]):
            del item["id"]
            if item["group"] is not None:
                item["group"] = first.setdefault(item["group"], at)
    return found


def ordered(found: list[Json], change: Callable[[Json], None] | None = None) -> list[Json]:
    """Annotations after a change, with labels in one order and groups by what they hold."""
    changed = deepcopy(found)
    for one in changed:
        if change is not None:
            change(one)
        members: dict[object, list[str]] = {}
        for item in one["labels"]:
            members.setdefault(item["group"], []).append(f"{item['class']} {item['kind']}")
        for item in one["labels"]:
            group = item["group"]
            item["group"] = None if group is None else sorted(members[group])
            item["tags"].sort(key=str)
        one["tags"].sort(key=str)
        one["labels"].sort(key=lambda item: (item["class"], item["kind"]))
    return changed
