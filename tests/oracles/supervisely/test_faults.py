"""What the real SDK makes of the faults that our stand-in can be told to have."""

import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pipeline.sandbox.pictures import black_png
from tests.oracles.supervisely.samples import META, annotation, label
from tests.oracles.supervisely.served import Json, Sdk, Served, needs_sdk, pictures, served

pytestmark = [pytest.mark.anyio, needs_sdk]


async def order(server: Served, **faults: Any) -> None:  # noqa: ANN401 - of many types
    """Order faults."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.running.url}/_sandbox/faults", json=faults) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    "faults",
    [
        {"busy_every": 2, "retry_after": None},
        {"fail_before": 0.4, "seed": 1},
        {"fail_after": 0.4, "seed": 1},
        {"drop_after": 0.4, "seed": 1},
    ],
)
async def test_an_annotation_is_sent_again_until_it_is_taken(sdk: Sdk, faults: Json) -> None:
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        await order(server, **faults, kinds=["annotations.bulk.add"])
        written = {str(image): annotation(label("point"), label("line"))}
        for _ in range(4):
            await server.sdk("write", project=server.project, annotations=written)
        await order(server)
        assert len((await server.stored(image))["objects"]) == 2


async def test_an_answer_that_is_lost_doubles_figures_and_makes_images_clash(
    sdk: Sdk, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(black_png(9, 9))
    async with served(sdk, pictures(1), meta=META) as server:
        (image,) = server.images.values()
        # The first request of the kind is answered with nothing, the second one as it should be.
        await order(server, drop_after=0.5, seed=first_only(), kinds=["figures.bulk.add"])
        written = {str(image): annotation(label("point"))}
        await server.sdk("write", project=server.project, annotations=written, by="append_labels")
        assert len((await server.stored(image))["objects"]) == 2
        await order(server, drop_after=0.5, seed=first_only(), kinds=["images.bulk.add"])
        given: Json = {"dataset": server.dataset, "names": ["a.png"], "sources": [str(path)]}
        kind, trace = await server.refused("upload_images", **given)
        assert (kind, "NONUNIQUE" in trace) == ("HTTPError", True)


async def test_a_poisoned_image_is_refused_at_once(sdk: Sdk) -> None:
    async with served(sdk, pictures(2), meta=META) as server:
        await order(server, poison=["image-1.png"])
        written = {str(key): annotation(label("point")) for key in server.images.values()}
        kind, trace = await server.refused("write", project=server.project, annotations=written)
        assert (kind, "row 'image-1.png' is refused" in trace) == ("HTTPError", True)
        assert (await server.log())["kinds"]["annotations.bulk.add"] == 1


def first_only() -> int:
    """A seed with which a chance of one half strikes first, and then not."""

    def strikes(seed: int) -> bool:
        draw = random.Random(seed)
        return draw.random() < 0.5 <= draw.random()

    return next(seed for seed in range(100) if strikes(seed))
