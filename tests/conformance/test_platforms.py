"""What every platform must do. A new platform is found by itself."""

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from pipeline import Job, run
from pipeline.core.geometry import Box, Shape
from pipeline.core.labels import LabelRow, Media, ObjectInstance, Occurrence
from pipeline.core.ontology import Ontology
from pipeline.core.rows import Bundle, LabelTask, Mode, PackedRow, Rejection
from pipeline.errors import UsageError
from pipeline.job import parse_address
from pipeline.platforms import discover
from pipeline.ports import Plan, Platform
from pipeline.sandbox.drawn import drawn_ontology, drawn_rows
from pipeline.wiring.ends import settings_of
from tests.conformance.digests import digests_at
from tests.conformance.moving import keys_of, tasks_of
from tests.conformance.saying import invented, unsaid
from tests.conformance.scopes import held_by, met_by
from tests.conformance.sites import (
    Site,
    bring,
    exported,
    numbered,
    opened,
    packed,
    site_of,
    tasks_of_rows,
)
from tests.strategies import Scope, ontologies, rows_of

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PLATFORMS = list(discover().values())
WRITTEN = [platform for platform in PLATFORMS if platform.features.writes]
READ_ONLY = [platform for platform in PLATFORMS if not platform.features.writes]
ALL = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
EVERY = pytest.mark.parametrize("platform", WRITTEN, ids=lambda platform: platform.name)
HELD = [(platform, scope) for platform in WRITTEN for scope in held_by(platform)]
PLAN = Plan("run-1")
CANARY = "canary-7f3a"

DRAWN = settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Each example is a server or a file, and several rows."""


@asynccontextmanager
async def drawn_site(platform: Platform, folder: Path) -> AsyncIterator[tuple[Site, list[LabelRow]]]:
    """A place for a few drawn rows of boxes, polygons with holes, masks and skeletons."""
    rows = list(drawn_rows(4))
    async with site_of(platform, folder, drawn_ontology(), rows) as site:
        yield site, rows


def kept(rows: Sequence[PackedRow | Rejection]) -> list[PackedRow]:
    assert [row for row in rows if isinstance(row, Rejection)] == []
    return [row for row in rows if isinstance(row, PackedRow)]


def folder_of(platform: Platform) -> Path:
    return ROOT / "pipeline" / "platforms" / platform.name.replace("-", "_")


# ---- labels -----------------------------------------------------------------------------------------------


def batches(scope: Scope) -> st.SearchStrategy[tuple[Ontology, list[LabelRow]]]:
    """An ontology, and rows of one project that fit it."""
    return ontologies(scope).flatmap(
        lambda found: st.tuples(
            st.just(found), st.lists(rows_of(found, scope), min_size=1, max_size=4).map(numbered)
        )
    )


async def there_and_back(
    platform: Platform, ontology: Ontology, rows: Sequence[LabelRow]
) -> list[tuple[LabelRow, PackedRow | Rejection, LabelRow | None]]:
    """Each row, what became of it, and what the source reads where it went."""
    with TemporaryDirectory() as name:
        async with site_of(platform, Path(name), ontology, rows) as site:
            results = await bring(site, rows, replace(PLAN, ontology=ontology))
            async with site.adapter() as adapter:
                found = await tasks_of(adapter.source())
    # A row that cannot be opened cannot be read either.
    read = [task.row for task in found if isinstance(task, LabelTask) and task.row is not None]
    back = {row.title: row for row in read}
    return [(row, result, back.get(row.title)) for row, result in zip(rows, results, strict=True)]


@pytest.mark.parametrize(
    ("platform", "scope"), HELD, ids=[f"{platform.name}-{n}" for n, (platform, _) in enumerate(HELD)]
)
@DRAWN
@given(data=st.data())
def test_any_row_that_a_platform_says_it_holds_arrives_whole(
    platform: Platform, scope: Scope, data: st.DataObject
) -> None:
    for row, result, back in anyio.run(there_and_back, platform, *data.draw(batches(scope))):
        assert not isinstance(result, Rejection), result.reason
        assert result.losses == ()
        assert back is not None
        assert unsaid(row, back, row_details=platform.features.row_details) == []
        assert invented(row, back) == 0


@EVERY
@DRAWN
@given(data=st.data())
def test_whatever_does_not_arrive_is_named(platform: Platform, data: st.DataObject) -> None:
    for row, result, back in anyio.run(there_and_back, platform, *data.draw(batches(met_by(platform)))):
        if isinstance(result, Rejection):
            assert row.title in result.reason or row.key in result.reason
            continue
        assert back is not None
        said = [(str(loss.what), loss.object) for loss in result.losses]
        said += [(note.what, note.object) for note in result.notes]
        for one in unsaid(row, back, row_details=platform.features.row_details):
            named = [what for what, item in said if item == one.object or item is None or one.object is None]
            assert one.excuses & set(named), f"{one} is not among {said}"
        assert invented(row, back) <= 0


@EVERY
async def test_packing_is_pure_and_means_the_same_in_another_process(
    platform: Platform, tmp_path: Path
) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows):
        async with site.adapter() as adapter:
            target = adapter.target()
            found = await opened(target, replace(PLAN, dry_run=True), tasks_of_rows(rows))
            once, twice = ([packed(site, target, row) for row in found] for _ in range(2))
        assert kept(once) == kept(twice)
        here = {row.key.key: row.digest for row in kept(once)}
        environment = {**os.environ, **site.environment, "PYTHONHASHSEED": "12345"}
        other = tmp_path / "other"
        other.mkdir()
        words = [sys.executable, "-m", "tests.conformance.digests", str(other), site.address]
        child = await anyio.run_process(words, cwd=ROOT, env=environment, stderr=None)
        assert json.loads(child.stdout) == here == await digests_at(site)


# ---- rows and bundles -------------------------------------------------------------------------------------


@EVERY
async def test_open_accounts_for_every_row_in_the_order_asked_for(platform: Platform, tmp_path: Path) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows), site.adapter() as adapter:
        for order in (rows[::-1], rows[1:] + rows[:1]):
            assert len(await opened(adapter.target(), PLAN, tasks_of_rows(order))) == len(rows)


@EVERY
async def test_a_bundle_that_is_sent_again_changes_nothing(platform: Platform, tmp_path: Path) -> None:
    read = []
    for times in (1, 3):
        folder = tmp_path / str(times)
        folder.mkdir()
        async with drawn_site(platform, folder) as (site, rows):
            kept(await bring(site, rows, PLAN, times=times))
            read.append([replace(row, raw=None) for row in await site.rows()])
    assert [row.title for row in read[0]] == [row.title for row in rows]
    for once, thrice in zip(*read, strict=True):
        assert unsaid(once, thrice, row_details=True) == []
        assert invented(once, thrice) == 0


@EVERY
async def test_a_row_that_is_tried_again_after_the_run_joins_the_others_in_order(
    platform: Platform, tmp_path: Path
) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows):
        for chosen in (slice(1, None), slice(0, 1)):
            async with site.adapter(PLAN.run) as adapter:
                target = adapter.target()
                found = await opened(target, PLAN, tasks_of_rows(rows))
                some = kept([packed(site, target, row) for row in found])[chosen]
                await target.save(Bundle.of(some))
                await target.finish(complete=True, rejects=chosen.start == 1)
        back = await site.rows()
    assert [row.title for row in back] == [row.title for row in rows]
    assert all(row.label_count for row in back)


@EVERY
async def test_a_second_run_finds_all_unchanged_or_is_refused_by_mode(
    platform: Platform, tmp_path: Path
) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows):
        kept(await bring(site, rows, PLAN))
        before = await site.rows()
        try:
            again = kept(await bring(site, rows, Plan("run-2")))
        except UsageError as refused:
            assert "mode" in str(refused)  # noqa: PT017 - both ends are good
        else:
            assert all(row.unchanged for row in again)
        assert await site.rows() == before
        replaced = kept(await bring(site, rows, Plan("run-3", mode=Mode.REPLACE)))
        after = await site.rows()
        assert [row.label_count for row in after] == [row.label_count for row in before]
        assert len(replaced) == len(rows)


@EVERY
async def test_a_dry_run_writes_nothing(platform: Platform, tmp_path: Path) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows):
        async with site.adapter() as adapter:
            target = adapter.target()
            found = await opened(target, replace(PLAN, dry_run=True), tasks_of_rows(rows))
            kept([packed(site, target, row) for row in found])
            await target.finish(complete=True)
        if platform.stand_in is None:
            with pytest.raises(UsageError):
                await site.rows()
        else:
            assert [row.label_count for row in await site.rows()] == [0] * len(rows)


@EVERY
async def test_an_unknown_class_is_found_before_any_write(platform: Platform, tmp_path: Path) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows):
        async with site.adapter() as adapter:
            takes_any = await adapter.target().ontology() is None
        stray = ObjectInstance("stray", "unicorn", {0: Occurrence(Box(1.0, 1.0, 5.0, 5.0))})
        odd = [*rows[:-1], replace(rows[-1], objects=(*rows[-1].objects, stray))]
        async with site_of(discover()["archive"], tmp_path / "origin", drawn_ontology(), odd) as origin:
            kept(await bring(origin, odd, PLAN))
            job = Job(
                name="stray",
                source=parse_address(origin.address),
                target=parse_address(site.address),
                allow_losses=["precision", "classification"],
                journal=f"sqlite:///{tmp_path}/journal.db",
                engine={"workers": 1},
            )
            with exported(site.environment):
                if takes_any:
                    assert (await run(job)).exit_code == 0
                    return
                with pytest.raises(UsageError, match="unicorn"):
                    await run(job)
        assert [row.label_count for row in await site.rows()] == [0] * len(rows)


@EVERY
async def test_keys_and_rows_agree_and_can_be_read_again(platform: Platform, tmp_path: Path) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows):
        kept(await bring(site, rows, PLAN))
        async with site.adapter() as adapter:
            source = adapter.source()
            assert source.restartable
            keys = await keys_of(source)
            first, second = await tasks_of(source), await tasks_of(source)
            assert await keys_of(source) == keys
        assert first == second
        assert [task.key for task in first] == keys
        assert [key.ordinal for key in keys] == list(range(len(rows)))
        assert len({key.key for key in keys}) == len(rows)
        async with site.adapter() as adapter:
            source = adapter.source()
            assert await tasks_of(source) == first
        counted = [key for key in keys if key.pairs is not None]
        shapes = {task.key.key: task.row for task in first if not isinstance(task, Rejection)}
        for key in counted:
            row = shapes[key.key]
            assert row is not None
            assert key.pairs == frozenset((item.class_name, item.shape) for item in row.objects)


# ---- settings ---------------------------------------------------------------------------------------------


@EVERY
async def test_an_address_stands_for_its_settings(platform: Platform, tmp_path: Path) -> None:
    async with drawn_site(platform, tmp_path) as (site, rows):
        given = site.settings.model_dump(mode="json", exclude_defaults=True)
        _, from_job = settings_of({**given, "platform": platform.name}, "job.yaml")
        assert from_job == site.settings
        kept(await bring(site, rows, PLAN))
        assert [row.title for row in await site.rows()] == [row.title for row in rows]
        async with site.adapter() as adapter:
            checks = [check async for check in adapter.checks()]
    assert checks
    assert [check for check in checks if not check.ok] == []


@EVERY
async def test_an_unknown_setting_is_an_error_that_names_it(platform: Platform, tmp_path: Path) -> None:
    async with drawn_site(platform, tmp_path) as (site, _):
        given = site.settings.model_dump(mode="json", exclude_defaults=True)
    with pytest.raises(UsageError, match="no_such_setting"):
        settings_of({**given, "platform": platform.name, "no_such_setting": 1}, "job.yaml")


def secrets_of(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        if SecretStr in (field.annotation, *get_args(field.annotation)):
            yield name


@EVERY
async def test_no_secret_is_told_by_settings(platform: Platform, tmp_path: Path) -> None:
    telling = ("password", "token", "secret", "api_key")
    hidden = set(secrets_of(platform.settings))
    named = {name for name in platform.settings.model_fields if name.endswith(telling)}
    assert named <= hidden
    async with drawn_site(platform, tmp_path) as (site, _):
        given: dict[str, Any] = site.settings.model_dump(mode="json", exclude_defaults=True)
    for name in sorted(hidden):
        made = platform.settings(**given, **{name: CANARY})
        assert CANARY not in f"{made!r} {made} {made.model_dump()} {made.model_dump_json()}"
        with pytest.raises(UsageError) as refused:
            settings_of({**given, "platform": platform.name, name: [CANARY]}, "job.yaml")
        assert CANARY not in str(refused.value)


# ---- the folder -------------------------------------------------------------------------------------------


@ALL
def test_every_folder_has_the_same_modules(platform: Platform) -> None:
    folder = folder_of(platform)
    found = {path.stem for path in folder.iterdir()}
    wanted = {"settings", "wire", "convert", "adapter"}
    if platform.stand_in is not None:
        wanted |= {"verdict", "client", "stand_in", "golden"}
    assert wanted <= found
    module = import_module(f"pipeline.platforms.{folder.name}")
    assert module.PLATFORM is platform
    assert platform.connect.__module__ == f"{module.__name__}.adapter"


@ALL
def test_features_are_within_bounds(platform: Platform) -> None:
    features = platform.features
    assert platform.title
    assert features.shapes
    assert not features.shapes & {Shape.ANY, Shape.OTHER}
    assert (features.mask_codec is None) == (Shape.MASK not in features.shapes or not features.writes)


@pytest.mark.parametrize("platform", READ_ONLY, ids=lambda platform: platform.name)
@pytest.mark.parametrize("source", ["archive:backup", None])
async def test_a_platform_that_is_only_read_is_no_target(
    platform: Platform, source: str | None, tmp_path: Path
) -> None:
    job = Job(
        name="nightly",
        source=source and parse_address(source),
        target=parse_address(f"{platform.name}:{tmp_path}?class_name=car"),
        journal=f"sqlite:///{tmp_path}/journal.db",
    )
    with pytest.raises(UsageError, match=f"nightly: target: {platform.name} is read only"):
        await run(job)


@EVERY
async def test_limits_are_within_bounds(platform: Platform, tmp_path: Path) -> None:
    async with drawn_site(platform, tmp_path) as (site, _), site.adapter() as adapter:
        limits = adapter.target().limits
    assert 1 <= limits.max_rows <= 1000
    assert 1 <= limits.open_rows <= 1000
    assert 0 < limits.rate_floor <= limits.rate_ceiling
    assert 1 <= limits.concurrency_floor <= limits.concurrency_ceiling


def test_the_drawn_rows_use_boxes_polygons_masks_and_skeletons() -> None:
    shapes = {item.shape for row in drawn_rows(4) for item in row.objects}
    assert shapes == {Shape.BOX, Shape.POLYGON, Shape.MASK, Shape.SKELETON}
    assert all(row.media != (Media(),) for row in drawn_rows(4))
