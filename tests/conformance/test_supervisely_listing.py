"""Images of Supervisely are listed whole, page by page, in flat memory, while others add and remove some."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from pipeline.errors import BundleRefused, CredentialsError, FatalError, LabelferryError, TransientError
from pipeline.platforms.supervisely.client import PAGE, DatasetInfo, Page, ProjectInfo
from pipeline.platforms.supervisely.datasets import Datasets
from pipeline.platforms.supervisely.listing import READINGS, begun, list_all
from pipeline.platforms.supervisely.project import OpenProject
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.spool import Spool
from tests.conformance.moving import keys_of
from tests.conformance.supervisely_project import META, QUICK, boxes, local

pytestmark = pytest.mark.anyio


class Pages:
    """A client whose datasets change while they are read: one list of ids for each asking for page 1."""

    def __init__(self, states: Sequence[Sequence[int]], *, cap: int = PAGE, said: int | None = None) -> None:
        self.states = list(states)
        self.cap = cap
        self.said = said
        self.asked: list[int] = []

    async def images(self, _dataset: int, page: int, size: int) -> Page:
        self.asked.append(page)
        if page == 1 and len(self.states) > 1 and len(self.asked) > 1:
            self.states.pop(0)
        ids, size = self.states[0], min(size, self.cap)
        some = ids[(page - 1) * size : page * size]
        raws = [msgspec.Raw(msgspec.json.encode({"id": key, "name": f"{key}.png"})) for key in some]
        total = len(ids) if self.said is None else self.said
        return Page(total, size, -(-len(ids) // size), raws)


async def listed(client: Any, folder: Path) -> list[int]:  # noqa: ANN401 - as much of a client as is used
    datasets = Datasets.of([DatasetInfo(5, "a")])
    async with Spool(folder) as spool:
        await list_all(client, spool, datasets, [5])
        return [head.id async for heads in spool.heads() for head in heads]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 40])
@pytest.mark.parametrize("cap", [1, 3, 1000])
async def test_all_images_come_in_the_order_of_their_ids(tmp_path: Path, count: int, cap: int) -> None:
    client = Pages([range(count)], cap=cap)
    assert await listed(client, tmp_path) == list(range(count))
    assert len(client.asked) == max(1, -(-count // cap))


async def test_a_list_that_changes_is_read_again(tmp_path: Path) -> None:
    client = Pages([range(9), range(1, 9)], cap=3, said=None)
    client.images, pages = _shrinking(client), client.asked  # type: ignore[method-assign]
    assert await listed(client, tmp_path) == list(range(1, 9))
    assert pages.count(1) == 2


def _shrinking(client: Pages) -> Any:  # noqa: ANN401 - a method
    """Lose the first image after the first page of the first reading."""
    usual = client.images

    async def images(dataset: int, page: int, size: int) -> Page:
        if page == 2 and len(client.states) > 1:
            client.states.pop(0)
        return await usual(dataset, page, size)

    return images


async def test_a_list_that_is_never_whole_ends_the_run(tmp_path: Path) -> None:
    client = Pages([range(9)], cap=3, said=10)
    with pytest.raises(FatalError, match="dataset 'a' says that it has 10 images"):
        await listed(client, tmp_path)
    assert client.asked.count(1) == READINGS


def page_of(*datasets: int, total: int | None = None) -> Page:
    """The first page of a project: one image for each number, which is that of its dataset."""
    images = [{"id": number, "datasetId": dataset} for number, dataset in enumerate(datasets)]
    raws = [msgspec.Raw(msgspec.json.encode(image)) for image in images]
    whole = len(raws) if total is None else total
    return Page(whole, len(raws), -(-whole // len(raws)) if raws else 1, raws)


def parts_of(page: Page, *counts: int | str | None) -> dict[int, int]:
    """How many images are known of each dataset that says how many it has; datasets count from 1."""
    infos = [DatasetInfo(n, str(n), images_count=count) for n, count in enumerate(counts, 1)]
    return {dataset: len(found.entities) for dataset, found in begun(page, Datasets.of(infos)).items()}


def test_the_page_of_a_small_project_is_the_list_of_each_dataset() -> None:
    assert parts_of(page_of(2, 1, 2), 1, "2", 0) == {1: 1, 2: 2, 3: 0}
    assert parts_of(page_of(), 0) == {1: 0}


def test_the_first_page_of_a_project_is_that_of_the_dataset_with_all_images() -> None:
    assert parts_of(page_of(2, 2, total=7), 0, 7) == {2: 2}


@pytest.mark.parametrize(
    ("page", "counts"),
    [
        pytest.param(page_of(1, 1), [3], id="another number of images"),
        pytest.param(page_of(1, 1), [None], id="no number of images"),
        pytest.param(page_of(1, 1, total=7), [5, 2], id="two datasets with images"),
        pytest.param(page_of(1, 2, total=7), [5, 2], id="images of two datasets"),
        pytest.param(page_of(), [3], id="a server that does not list projects"),
    ],
)
def test_a_dataset_whose_images_are_not_surely_known_is_listed_itself(
    page: Page, counts: list[int | None]
) -> None:
    assert parts_of(page, *counts) == {}


async def test_a_small_project_is_listed_with_one_request(tmp_path: Path) -> None:
    rows = [boxes(f"{number:02}.png") for number in range(5)]
    async with local(tmp_path, rows) as server, server.adapter() as adapter:
        keys = await keys_of(adapter.source())
        assert (await server.log())["kinds"]["images.list"] == 1
    assert [key.title for key in keys] == [row.title for row in rows]


class Refusing:
    """A client of a server that gives the images of a dataset, and not those of a whole project."""

    def __init__(self, error: LabelferryError) -> None:
        self.error = error

    async def project(self, project: int) -> ProjectInfo:
        return ProjectInfo(project)

    async def meta(self, _project: int) -> dict[str, Any]:
        return META

    async def datasets(self, _project: int) -> list[DatasetInfo]:
        return [DatasetInfo(5, "a")]

    async def images_of_project(self, _project: int, _size: int, *, tries: int) -> Page:
        assert tries == 1
        raise self.error


@pytest.mark.parametrize("error", [BundleRefused, CredentialsError, FatalError, TransientError])
async def test_a_project_whose_images_are_refused_as_a_whole_is_listed_by_its_datasets(
    error: type[LabelferryError],
) -> None:
    client: Any = Refusing(error("not here"))
    project = OpenProject(client, Settings.model_validate({"project": 7}), lambda _: None, listed=True)
    assert list((await project.datasets()).paths) == [5]
    assert project.beginning() is None


async def test_the_page_that_a_project_can_do_without_is_not_tried_again(tmp_path: Path) -> None:
    async with local(tmp_path, [boxes("a.png")]) as server, server.adapter() as adapter:
        await server.faults(fail_before=1.0, kinds=["images.list"])
        with pytest.raises((FatalError, TransientError)):
            await keys_of(adapter.source())
        assert (await server.log())["kinds"]["images.list"] == 1 + QUICK.tries


async def test_an_image_without_an_id_is_no_image(tmp_path: Path) -> None:
    async with Spool(tmp_path) as spool:
        with pytest.raises(TransientError, match="not as expected"):
            await spool.add(1, [msgspec.Raw(b'{"name":"x"}')])


async def test_images_come_back_exactly_as_they_were_listed(tmp_path: Path) -> None:
    meta = b'{"big": 12345678901234567890, "f": 1.0}'
    body = b'{"id": 3, "name": "\\u00e4/\\"x\\".png", "size": "71", "meta": %b}' % meta
    async with Spool(tmp_path) as spool:
        assert await spool.add(8, [msgspec.Raw(body), msgspec.Raw(body)]) == 1
        found = await spool.images([3, 4])
        await spool.forget(8)
        assert await spool.images([3]) == {}
        assert await spool.images([]) == {}
    assert found == {3: (8, msgspec.json.decode(body))}
    assert [one async for one in anyio.Path(tmp_path).iterdir()] == []


def test_datasets_are_known_by_the_names_that_they_are_nested_in() -> None:
    infos = [
        DatasetInfo(3, "front", 2),
        DatasetInfo(1, "night"),
        DatasetInfo(2, "day"),
        DatasetInfo(4, "back", 2),
        DatasetInfo(5, "lost", 99),
    ]
    found = Datasets.of(infos)
    assert list(found.paths.values()) == ["night", "day", "day/front", "day/back", "lost"]
    assert found.chosen("day/front") == [3]
    assert found.chosen(None) == [1, 2, 3, 4, 5]


async def test_a_page_as_small_as_the_server_likes_is_no_matter(tmp_path: Path) -> None:
    rows = [boxes(f"{number:02}.png") for number in range(17)]
    async with local(tmp_path, rows, per_page_cap=3) as server, server.adapter() as adapter:
        keys = await keys_of(adapter.source())
        assert (await server.log())["kinds"]["images.list"] == 6
    assert [key.title for key in keys] == [row.title for row in rows]
