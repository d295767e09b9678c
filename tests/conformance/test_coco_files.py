"""COCO as files: what is read whole, what is refused before any write, and how a file is written."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.rows import Bundle, LabelTask, Mode
from pipeline.errors import UsageError
from pipeline.platforms.archive.source import ArchiveSource
from pipeline.platforms.archive.target import ArchiveTarget
from pipeline.platforms.coco import PLATFORM
from pipeline.platforms.coco import scan as scanning
from pipeline.platforms.coco.index import CocoIndex
from pipeline.platforms.coco.scan import Piece, Scanner
from pipeline.platforms.coco.settings import Settings, Style
from pipeline.platforms.coco.source import CocoSource
from pipeline.platforms.coco.target import CocoTarget
from pipeline.ports import Plan, RowChoice
from tests.conformance.coco_samples import INSTANCES, written
from tests.conformance.moving import copy, keys_of, packed, rejections_of, rows_of, tasks_of, tools

pytestmark = pytest.mark.anyio

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "coco"
MASKS = REAL / "instances_val2014_fakesegm100_results.json"
POINTS = REAL / "person_keypoints_val2014_fakekeypoints100_results.json"
needs_real_files = pytest.mark.skipif(
    not MASKS.exists(), reason="the real COCO files are not beside the repository"
)


def source_of(tmp_path: Path, choice: RowChoice | None = None, **settings: Any) -> CocoSource:  # noqa: ANN401
    return CocoSource(Settings(**settings), tmp_path / "scratch", choice or RowChoice())


async def through_archive(tmp_path: Path, source: CocoSource, style: Style) -> Any:  # noqa: ANN401 - JSON
    """COCO -> archive -> COCO, as JSON."""
    plan = Plan("run1", await source.ontology())
    await copy(source, ArchiveTarget(tmp_path / "backup", tmp_path / "scratch"), plan, "encord_rle")
    archive = ArchiveSource(tmp_path / "backup", RowChoice())
    target = CocoTarget(tmp_path / "out.json", style, tmp_path / "scratch")
    rows = await copy(archive, target, Plan("run2", await archive.ontology()), "coco_rle")
    assert [row.losses for row in rows if row.losses] == []
    source.close()
    return json_of(tmp_path / "out.json")


def json_of(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_bytes())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def typed(value: Any) -> Any:  # noqa: ANN401 - JSON, in which 1 and 1.0 differ
    return json.dumps(value, sort_keys=True)


# ---- whole files ------------------------------------------------------------------------------------------


async def test_instances_come_back_from_an_archive_number_by_number(tmp_path: Path) -> None:
    source = source_of(tmp_path, annotations=written(tmp_path, INSTANCES))
    assert typed(await through_archive(tmp_path, source, Style.INSTANCES)) == typed(INSTANCES)


@needs_real_files
@pytest.mark.parametrize(
    ("path", "images", "labels"), [(MASKS, None, 734), (POINTS, MASKS, 125), (POINTS, None, 125)]
)
async def test_the_real_results_come_back_from_an_archive(
    tmp_path: Path, path: Path, images: Path | None, labels: int
) -> None:
    source = source_of(tmp_path, annotations=path, images=images)
    rows = await rows_of(source)
    assert sum(row.label_count for row in rows) == labels
    assert all((row.size_at(0) is not None) == (path == MASKS or images is not None) for row in rows)
    assert all(item.occurrences[0].confidence is not None for row in rows for item in row.objects)
    found = await through_archive(tmp_path, source, Style.RESULTS)
    original = json_of(path)
    assert found == original
    assert typed(found) == typed(original)


@needs_real_files
async def test_results_files_are_read_together_by_image(tmp_path: Path) -> None:
    source = source_of(tmp_path, annotations=(POINTS, MASKS))
    rows = await rows_of(source)
    ontology = await source.ontology()
    assert ontology is not None
    person = ontology.find("person", Shape.SKELETON)
    assert person is not None
    assert person.skeleton is not None
    assert len(person.skeleton.nodes) == 17
    assert sum(row.label_count for row in rows) == 734 + 125
    assert len(rows) == 99
    assert all(row.size_at(0) for row in rows)
    source.close()


async def test_a_first_pass_sees_the_classes_and_counts_of_every_image(tmp_path: Path) -> None:
    source = source_of(tmp_path, annotations=written(tmp_path, INSTANCES))
    keys = await keys_of(source)
    rows = await rows_of(source)
    assert [(key.key, key.title, key.labels) for key in keys] == [
        (row.key, row.title, row.label_count) for row in rows
    ]
    assert [key.pairs for key in keys] == [
        frozenset((item.class_name, item.shape) for item in row.objects) for row in rows
    ]
    source.close()


async def test_a_small_window_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, INSTANCES)
    source = source_of(tmp_path, annotations=path)
    whole = await rows_of(source)
    source.close()
    monkeypatch.setattr(scanning, "WINDOW", 7)
    source = source_of(tmp_path, annotations=path)
    assert await rows_of(source) == whole
    source.close()


async def test_rows_are_chosen_by_title_id_and_number(tmp_path: Path) -> None:
    path = written(tmp_path, INSTANCES)
    choices = {
        RowChoice(titles=("bücher/2.jpg",)): ["2"],
        RowChoice(ids=("1", "3")): ["1", "3"],
        RowChoice(limit=2): ["1", "2"],
    }
    for choice, expected in choices.items():
        source = source_of(tmp_path, choice, annotations=path)
        assert [key.key for key in await keys_of(source)] == expected
        assert [row.key for row in await rows_of(source)] == expected
        source.close()
    with pytest.raises(UsageError, match="no status"):
        await keys_of(source_of(tmp_path, RowChoice(status=("done",)), annotations=path))


# ---- refused before any write -----------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 40, 300, -2])
async def test_a_truncated_file_is_refused_with_the_position(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, INSTANCES)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UsageError, match=r"data\.json is truncated or not valid JSON: .* at byte \d+"):
        await keys_of(source_of(tmp_path, annotations=path))
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [], "annotations": []} x', "something follows"),
        ('{"images": [] "annotations": []}', "',' or '}' is expected, at byte 14"),
        ('{"images": {}}', "images is not a list"),
        ('{"name": "x"}', "without `images` and `annotations`"),
        ('"text"', "neither an object nor a list"),
        ("[1, 2]", "an annotation has no image_id, at byte 1"),
        ('{"images": [{}]}', "an element of images has no id, at byte 12"),
        ('{"images": [], "categories": [{"id": 1}, {"id": 1}]}', "id 1 is there already"),
        ('{"images": [], "categories": [{"id": 1, "keypoints": ["a"], "skeleton": [[1, 2]]}]}', "edge"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
async def test_what_is_not_coco_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        await keys_of(source_of(tmp_path, annotations=path))
    assert words in str(caught.value)


async def test_a_missing_file_and_a_wrong_pair_of_files_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, INSTANCES)
    with pytest.raises(UsageError, match=r"cannot read .*none\.json"):
        await keys_of(source_of(tmp_path, annotations=tmp_path / "none.json"))
    with pytest.raises(UsageError, match="only if all are results"):
        await keys_of(source_of(tmp_path, annotations=(path, path)))
    with pytest.raises(UsageError, match="`images` is for results files"):
        await keys_of(source_of(tmp_path, annotations=path, images=path))


async def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{tmp_path} is a folder; name the COCO file in it"):
        await keys_of(source_of(tmp_path, annotations=tmp_path))


def test_an_index_is_closed_only_when_the_thread_that_builds_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, pieces = Event(), Event(), Scanner.pieces

    def wait(scanner: Scanner) -> Iterator[Piece]:
        begun.set()
        go.wait()
        yield from pieces(scanner)

    monkeypatch.setattr(Scanner, "pieces", wait)
    index = CocoIndex(tmp_path / "index.sqlite", Settings(annotations=written(tmp_path, INSTANCES)))
    with ThreadPoolExecutor() as threads:
        building = threads.submit(index.build)
        begun.wait()
        closing = threads.submit(index.close)
        while not index._ended:
            sleep(0.001)
        assert not closing.done()
        go.set()
        with pytest.raises(UsageError, match="was closed while it was in use"):
            building.result()
        closing.result()
    assert not (tmp_path / "index.sqlite").exists()


async def test_a_file_that_changes_while_it_is_read_stops_the_run(tmp_path: Path) -> None:
    path = written(tmp_path, INSTANCES)
    source = source_of(tmp_path, annotations=path)
    await keys_of(source)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(UsageError, match="was changed while it was read"):
        await tasks_of(source)
    source.close()


# ---- results with an instances file ------------------------------------------------------------------------


async def test_results_take_names_classes_and_sizes_from_an_instances_file(tmp_path: Path) -> None:
    results = [
        {"image_id": 2, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": 9, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5},
    ]
    path = written(tmp_path, results, "results.json")
    source = source_of(tmp_path, annotations=path, images=written(tmp_path, INSTANCES))
    (row,) = [task.row for task in await tasks_of(source) if isinstance(task, LabelTask) and task.row]
    assert (row.key, row.title, row.size_at(0)) == ("2", "bücher/2.jpg", (6, 5))
    assert [(item.class_name, item.occurrences[0].confidence) for item in row.objects] == [("person", 0.5)]
    assert "not among images" in (await rejections_of(source))["9"]
    source.close()


# ---- writing ----------------------------------------------------------------------------------------------


async def test_a_file_that_is_there_is_replaced_only_on_request(tmp_path: Path) -> None:
    source = source_of(tmp_path, annotations=written(tmp_path, INSTANCES))
    out = tmp_path / "out.json"
    out.write_text("precious")
    for mode, words in ((None, "mode: replace"), (Mode.APPEND, "'append' is not offered")):
        with pytest.raises(UsageError, match=words):
            await CocoTarget(out, Style.INSTANCES, tmp_path / "s").prepare(Plan("r", mode=mode), None)
    assert out.read_text() == "precious"
    plan = Plan("run2", await source.ontology(), Mode.REPLACE)
    await copy(source, CocoTarget(out, Style.INSTANCES, tmp_path / "s"), plan, "coco_rle")
    assert json_of(out) == INSTANCES
    assert names_in(tmp_path) == ["data.json", "out.json", "s", "scratch"]
    source.close()


async def test_a_resumed_run_writes_every_row_once_and_in_order(tmp_path: Path) -> None:
    source = source_of(tmp_path, annotations=written(tmp_path, INSTANCES))
    out, plan = tmp_path / "out.json", Plan("run1", await source.ontology())
    tasks = [task for task in await tasks_of(source) if isinstance(task, LabelTask)]
    first = CocoTarget(out, Style.INSTANCES, tmp_path / "s")
    await first.prepare(plan, None)
    await first.save(Bundle.of((await packed(first, tasks, "coco_rle"))[1:]))
    await first.finish(complete=False)
    assert not out.exists()
    for _ in range(2):
        resumed = CocoTarget(out, Style.INSTANCES, tmp_path / "s")
        await resumed.prepare(plan, None)
        await resumed.save(Bundle.of((await packed(resumed, tasks, "coco_rle"))[:2]))
        await resumed.finish(complete=True)
        assert json_of(out) == INSTANCES
    source.close()


async def test_the_address_and_the_checks(tmp_path: Path) -> None:
    assert PLATFORM.address("instances.json", "") == {"annotations": "instances.json"}
    path = written(tmp_path, INSTANCES)
    async with PLATFORM.connect(
        Settings(annotations=(path, tmp_path / "new.json")), tools(tmp_path)
    ) as adapter:
        assert [check.ok async for check in adapter.checks()] == [True, True]
        with pytest.raises(UsageError, match="one file"):
            adapter.target()
