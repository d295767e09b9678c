"""Whole jobs to and from projects of Supervisely, under every trouble that the stand-in knows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import Report
from pipeline.core.labels import Answer, Classification, Group, LabelRow
from pipeline.core.ontology import AttributeKind
from pipeline.errors import FatalError, Stopped
from pipeline.wiring import RunOptions
from tests.conformance.moving import rows_of
from tests.conformance.supervisely_pictures import drawn
from tests.conformance.supervisely_project import META, WORKSPACE, Local, boxes, local, with_islands

pytestmark = pytest.mark.anyio

ROWS = [
    with_islands(boxes(f"{number:03}.png", number % 3 + 1), bound=number % 2 == 0) for number in range(24)
]
COUNTS = {row.title: row.label_count for row in ROWS}
BUNDLES = {"workers": 1, "bundle_rows": 7}


def groups_of(row: LabelRow) -> list[list[str]]:
    names = {item.id: item.class_name for item in row.objects}
    return sorted(sorted(names[one] for one in group.objects) for group in row.groups)


async def read(server: Local, **changes: Any) -> list[LabelRow]:  # noqa: ANN401 - any setting
    async with server.adapter(**changes) as adapter:
        return await rows_of(adapter.source())


async def until_done(
    server: Local,
    rows: Sequence[LabelRow],
    engine: dict[str, Any] | None = None,
    **changes: Any,  # noqa: ANN401
) -> Report:
    """Run a job, and resume it as long as an outage stops it."""
    for resume in [False] + [True] * 9:
        try:
            return await server.run(
                list(rows), RunOptions(resume=resume), engine={**BUNDLES, **(engine or {})}, **changes
            )
        except Stopped:
            continue
    raise AssertionError("the job does not end")


# ---- nothing doubled, nothing lost ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {"drop_before": 0.15, "drop_after": 0.15},
        {"fail_before": 0.15, "fail_after": 0.15, "fail_status": 502},
        {"busy_every": 3, "retry_after": None},
        {"busy_seconds": 0.3, "retry_after": None},
    ],
)
async def test_a_job_saves_every_label_once_whatever_the_server_does(
    tmp_path: Path, faults: dict[str, Any]
) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        await server.faults(**faults, seed=11)
        report = await until_done(server, ROWS)
        await server.faults()
        back = await read(server)
        kinds = (await server.log())["rows"]
    assert report.rows["rejected"] == 0
    assert {row.title: row.label_count for row in back} == COUNTS
    assert [groups_of(row) for row in back] == [groups_of(row) for row in ROWS]
    assert kinds["save"] >= len(ROWS)


@pytest.mark.parametrize(
    ("answer", "bad"),
    [
        ("named", ["007.png", "016.png"]),
        ("unnamed", ["007.png", "016.png"]),
        ("server-error", ["007.png"]),  # each step of the search is tried twice, with its back-off
    ],
)
async def test_bad_rows_are_found_and_the_others_saved(tmp_path: Path, answer: str, bad: list[str]) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        await server.faults(poison=bad, poison_answer=answer)
        report = await until_done(server, ROWS)
        counts = await server.counts()
    assert report.exit_code == 3
    assert sorted(reject["title"] for reject in report.rejects) == bad
    assert counts == {**COUNTS, **dict.fromkeys(bad, 0)}


async def test_bundles_that_are_too_large_are_divided(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        await server.faults(max_rows=4)
        report = await until_done(server, ROWS, {"bundle_rows": 50})
        assert await server.counts() == COUNTS
    assert report.exit_code == 0


async def test_a_second_run_sends_nothing(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        await until_done(server, ROWS)
        before = (await server.log())["rows"]
        report = await server.run(list(ROWS), name="again", mode="replace")
        assert (await server.log())["rows"] == before
    assert report.rows == {"unchanged": len(ROWS)}


async def test_rows_with_labels_are_refused_without_a_mode(tmp_path: Path) -> None:
    async with local(tmp_path, ROWS, meta=META) as server:
        await until_done(server, ROWS)
        report = await server.run(list(ROWS), name="again")
        skipped = await server.run(list(ROWS), name="skipping", mode="skip-existing")
        assert await server.counts() == COUNTS
    assert report.rows["rejected"] == len(ROWS)
    assert "mode: replace" in report.rejects[0]["reason"]
    assert skipped.rows == {"skipped": len(ROWS)}


async def test_labels_of_skipped_rows_count_the_tags_of_images_as_those_of_saved_ones(tmp_path: Path) -> None:
    tag = {"name": "seen", "value_type": "none", "applicable_type": "all"}
    mark = Classification("seen", Answer("seen", AttributeKind.BOOLEAN, value=True))
    row = replace(boxes("a.png", 2), classifications=(mark,))
    async with local(tmp_path, [row], meta={**META, "tags": [tag]}) as server:
        saved = await server.run([row], name="filling")
        skipped = await server.run(server.target(), name="skipping", mode="skip-existing")
    assert (saved.labels["saved"], skipped.labels["skipped"]) == (3, 3)


# ---- from project to project ----------------------------------------------------------------------------


async def fill(server: Local, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the project's nested datasets with labelled images; names occur in several of them."""
    monkeypatch.chdir(folder)  # where rows of a program have their pictures
    rows = drawn(folder, {f"{n}.png": n for n in range(6)})
    for path in ("day", "day/front", "night"):
        named = [replace(row, key=f"{path}/{row.key}") for row in rows]
        target = {"dataset": path, "create": True}
        report = await server.run(named, name=path, target=target, media="copy")
        assert report.exit_code == 0, report.rejects


@pytest.mark.parametrize("binding", ["int", "str"])
async def test_a_project_is_copied_whole_and_no_picture_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binding: str
) -> None:
    async with local(tmp_path, [], binding=binding) as server:
        await fill(server, tmp_path, monkeypatch)
        bind = [{"bind": {"by": "class"}}]
        await server.run(None, name="binding", target={"dataset": None}, operations=bind)
        before = await server.log()
        report = await server.run(
            server.target(dataset=None),
            name="copy",
            target={"project": "copy", "workspace": WORKSPACE, "dataset": None, "create": True},
            media="copy",
            match={"by": "path"},
        )
        after = await server.log()
        copy = (await server.projects())["copy"]
        one, other = await read(server, dataset=None), await read(server, project=copy, dataset=None)
    assert report.rows == {"saved": 18}
    assert after["rows"]["upload"] == before["rows"]["upload"]
    assert [row.raw and row.raw.data["dataset"] for row in one] == [
        row.raw and row.raw.data["dataset"] for row in other
    ]
    assert [row.title for row in one] == [row.title for row in other]
    assert [groups_of(row) for row in one] == [groups_of(row) for row in other]
    assert [row.media[0].sha256 for row in one] == [row.media[0].sha256 for row in other]


async def test_pictures_go_from_one_server_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    async with local(tmp_path, []) as server, local(tmp_path / "there", []) as other:
        await fill(server, tmp_path, monkeypatch)
        monkeypatch.setenv("API_TOKEN", server.running.environment["API_TOKEN"])
        report = await other.run(
            server.target(dataset="night"), name="copy", target={"create": True}, media="copy"
        )
        found = await read(other)
    assert report.exit_code == 0, report.rejects
    assert [row.label_count for row in found] == [1] * 6
    assert len({row.media[0].sha256 for row in found}) == 6


async def test_groups_are_discarded_in_place_and_ids_of_the_labels_do_not_matter(tmp_path: Path) -> None:
    rows = [boxes(f"{n}.png", 3) for n in range(4)]
    rows = [replace(row, groups=(Group("a", tuple(one.id for one in row.objects)),)) for row in rows]
    async with local(tmp_path, rows) as server:
        await until_done(server, rows)
        assert [len(row.groups) for row in await read(server)] == [1] * 4
        report = await server.run(None, name="discard", operations=[{"unbind": {"all": True}}])
        assert [len(row.groups) for row in await read(server)] == [0] * 4
        again = await server.run(None, name="again", operations=[{"unbind": {"all": True}}])
    assert report.rows == {"saved": 4}
    assert again.rows == {"unchanged": 4}


# ---- what a job may create ------------------------------------------------------------------------------


async def test_a_job_that_is_wrong_creates_nothing(tmp_path: Path) -> None:
    target = {"project": "new", "workspace": WORKSPACE, "dataset": "ds", "create": True}
    async with local(tmp_path, []) as server:
        with pytest.raises(FatalError):
            await server.run([], name="a", target={**target, "workspace": 5}, media="copy")
        assert (await server.log())["rows"] == {}


async def test_a_dry_run_says_what_would_be_created_and_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    async with local(tmp_path, []) as server:
        await fill(server, tmp_path, monkeypatch)
        before = (await server.log())["rows"]
        target = {"project": "copy", "workspace": WORKSPACE, "dataset": "all", "create": True}
        report = await server.run(
            server.target(dataset="night"),
            RunOptions(dry_run=True),
            name="copy",
            target=target,
            media="copy",
        )
        assert (await server.log())["rows"] == before
        assert report.rows == {"would-save": 6}
        assert report.would_create[:2] == ["project copy", "dataset all"]
        assert any("car" in line for line in report.would_create)
        assert report.created == []
        done = await server.run(server.target(dataset="night"), name="copy", target=target, media="copy")
    assert done.rows == {"saved": 6}
    assert done.would_create == []
    assert done.created[0].startswith("project copy (")


async def test_rows_of_a_program_make_a_project_with_their_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [with_islands(row, bound=True) for row in drawn(tmp_path, {"a.png": 1, "b.png": 2})]
    target = {"project": "new", "workspace": WORKSPACE, "dataset": "ds", "create": True}
    job: dict[str, Any] = {
        "target": target,
        "media": "copy",
        "operations": [{"rename": {"classes": {"car": "lorry"}}}],
    }
    async with local(tmp_path, []) as server:
        rehearsal = await server.run(list(rows), RunOptions(dry_run=True), **job)
        report = await server.run(list(rows), **job)
        back = await read(server, project="new", workspace=WORKSPACE, dataset=None)
    assert rehearsal.rows == {"would-save": 2}, rehearsal.rejects
    assert report.rows == {"saved": 2}, report.rejects
    assert any("lorry" in line for line in rehearsal.would_create)
    assert [line for line in report.created if "class" in line] == [
        line for line in rehearsal.would_create if "class" in line
    ]
    assert [groups_of(row) for row in back] == [[["glow", "isles", "lorry"]]] * 2
