"""Samples that are there when a job comes to make them: its own of before a crash, and those of others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.labels import LabelRow, Media
from pipeline.errors import Stopped, TransientError
from pipeline.platforms.segments.client import Client
from pipeline.platforms.segments.wire import Json, Sample
from tests.conformance.segments_project import Local, bbox, boxes, label, local
from tests.conformance.test_segments_creating import archive

pytestmark = pytest.mark.anyio

SAMPLES = "/datasets/sandbox/dataset/samples/"


SEED = [boxes("seed.png")]


async def rows_on(server: Local, count: int = 6, *, paths: bool = False) -> list[LabelRow]:
    """Rows whose picture the server has, under an address for each, and whose keys are not their titles."""
    there = (await server.rows())["seed.png"]["attributes"]["image"]["url"]
    found = []
    for number in range(count):
        path = f"folder/{number}.png" if paths else None
        media = Media(path=path, url=f"{there}?{number}", width=64, height=48)
        row = replace(boxes(f"{number}.png", 1), key=f"key-{number}", media=(media,))
        found.append(replace(row, metadata={"asset": f"a{number}"}))
    return found


class Death(Stopped):
    """The process is gone."""


def dies(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Let the client die when samples are asked for, when they are made, or after some labels."""
    whole, put = Client.add_samples, Client.put_label
    saved: list[str] = []

    async def add_samples(self: Client, samples: Sequence[Json]) -> list[Sample]:
        if when == "asked":
            raise Death("before")
        made = await whole(self, samples)
        if when == "made":
            raise Death("after")
        return made

    async def put_label(self: Client, sample: str, payload: bytes, tries: int | None = None) -> None:
        if when == "labelled" and len(saved) == 2:
            raise Death("in between")
        saved.append(sample)
        await put(self, sample, payload, tries)

    monkeypatch.setattr(Client, "add_samples", add_samples)
    monkeypatch.setattr(Client, "put_label", put_label)


@pytest.mark.parametrize("when", ["asked", "made", "labelled"])
@pytest.mark.parametrize("media", ["link", "copy"])
@pytest.mark.parametrize("by", ["title", "external_id", "path", "asset"])
async def test_a_resume_goes_on_with_the_samples_that_its_run_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, media: str, when: str
) -> None:
    async with local(tmp_path, SEED) as server:
        rows = await rows_on(server, paths=True)
        job: dict[str, Any] = {
            "media": media,
            "match": {"by": by},
            "engine": {"bundle_rows": 3, "workers": 1},
        }
        source = await archive(tmp_path / "archive", rows)
        with monkeypatch.context() as patch:
            dies(patch, when)
            with pytest.raises(Death):
                await server.run(source, **job)
        report = await server.run(source, **job)
        found, log = await server.counts(), await server.log()
    assert list((tmp_path / ".labelferry").rglob("made*")) == []
    assert report.rows.get("rejected", 0) == 0
    assert found == {row.title: 1 for row in rows}
    assert log["rows"]["create"] == len(rows)


async def add(server: Local, name: str, url: str, body: Mapping[str, Any] | None = None) -> None:
    """Make a sample as somebody else does, with a label."""
    made = await server.ask("POST", SAMPLES, {"name": name, "attributes": {"image": {"url": url}}})
    if body is not None:
        await server.ask("PUT", f"/labels/{made['uuid']}/ground-truth/", body)


def meanwhile(monkeypatch: pytest.MonkeyPatch, server: Local, name: str, url: str, body: Json | None) -> None:
    """Let somebody else make a sample, after the listing and before the job makes its own."""
    whole = Client.add_samples
    done: list[str] = []

    async def add_samples(self: Client, samples: Sequence[Json]) -> list[Sample]:
        if not done:
            done.append(name)
            await add(server, name, url, body)
        return await whole(self, samples)

    monkeypatch.setattr(Client, "add_samples", add_samples)


@pytest.mark.parametrize(
    ("mode", "count", "outcome"),
    [
        (None, 2, {"saved": 5, "rejected": 1}),
        ("replace", 1, {"saved": 6}),
        ("append", 3, {"saved": 6}),
        ("skip-existing", 2, {"saved": 5, "skipped": 1}),
    ],
)
@pytest.mark.parametrize("media", ["link", "copy"])
@pytest.mark.parametrize("busy", [False, True])
async def test_the_mode_decides_about_labels_of_a_sample_that_was_made_meanwhile(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    media: str,
    mode: str | None,
    count: int,
    outcome: dict[str, int],
    busy: bool,
) -> None:
    async with local(tmp_path, SEED) as server:
        rows = await rows_on(server)
        url = rows[3].media[0].url or ""
        meanwhile(monkeypatch, server, "3.png", url, label(bbox(7), bbox(8), status="REVIEWED", score=0.5))
        if busy:  # so many came since that a page of the newest does not have it
            whole = Client.add_samples

            async def crowded(self: Client, samples: Sequence[Json]) -> list[Sample]:
                made = await whole(self, samples)
                for number in range(40):
                    await add(server, f"later-{number}", url)
                return made

            monkeypatch.setattr(Client, "add_samples", crowded)
        report = await server.run(rows, media=media, mode=mode)
        counts = await server.counts()
        found = (await server.labels())["3.png"]
    assert {name: number for name, number in report.rows.items() if number} == outcome
    assert counts == {row.title: 1 for row in rows} | {"3.png": count}
    assert (found["label_status"], found["score"]) == ("REVIEWED", 0.5)
    if mode is None:
        assert "already has 2 labels" in report.rejects[0]["reason"]


@pytest.mark.parametrize("media", ["link", "copy"])
async def test_a_sample_of_somebody_else_is_not_taken_for_a_row_that_is_matched_by_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, media: str
) -> None:
    async with local(tmp_path, SEED) as server:
        meanwhile(monkeypatch, server, "3.png", "https://strange.example/x.png", None)
        report = await server.run(await rows_on(server), media=media, match={"by": "external_id"})
        counts = await server.counts()
    assert report.rows == {"saved": 5, "rejected": 1}
    assert "row '3.png': somebody else made a sample of this name" in report.rejects[0]["reason"]
    assert sorted(counts) == ["0.png", "1.png", "2.png", "4.png", "5.png"]


@pytest.mark.parametrize("media", ["link", "copy"])
async def test_what_a_run_meant_to_make_and_somebody_else_made_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, media: str
) -> None:
    async with local(tmp_path, SEED) as server:
        source = await archive(tmp_path / "archive", await rows_on(server))
        with monkeypatch.context() as patch:
            dies(patch, "asked")
            with pytest.raises(Death):
                await server.run(source, media=media, match={"by": "external_id"})
        await add(server, "3.png", "https://strange.example/x.png")
        report = await server.run(source, media=media, match={"by": "external_id"})
        counts = await server.counts()
    assert (report.rows["saved"], report.rows["rejected"]) == (5, 1)
    assert "one with the title '3.png'" in report.rejects[0]["reason"]
    assert sorted(counts) == ["0.png", "1.png", "2.png", "4.png", "5.png"]


@pytest.mark.parametrize("media", ["link", "copy"])
async def test_a_lost_answer_and_smaller_parts_make_no_sample_a_strange_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, media: str
) -> None:
    whole = Client.add_samples
    lost: list[int] = []

    async def add_samples(self: Client, samples: Sequence[Json]) -> list[Sample]:
        made = await whole(self, samples)
        if len(samples) > 3:
            lost.append(len(samples))
            raise TransientError("the answer was lost")
        return made

    monkeypatch.setattr(Client, "add_samples", add_samples)
    async with local(tmp_path, SEED) as server:
        report = await server.run(await rows_on(server), media=media, match={"by": "external_id"})
        log = await server.log()
    assert report.rows == {"saved": 6}
    assert lost
    assert log["rows"]["create"] == 6


async def test_looking_for_labels_of_others_costs_one_request_for_many_samples(tmp_path: Path) -> None:
    async with local(tmp_path, SEED) as server:
        rows = await rows_on(server, 250)
        linked = await server.run(rows, media="link")
        first = (await server.log())["kinds"]
        copies = [replace(row, key=f"c{row.key}", title=f"c{row.title}") for row in rows]
        copied = await server.run(copies, media="copy", name="copies")
        second = (await server.log())["kinds"]
    assert (linked.rows, copied.rows) == ({"saved": 250}, {"saved": 250})
    assert first["samples_bulk.POST"] == 3
    assert first["samples.GET"] <= 2 + 3
    assert second["samples.GET"] - first["samples.GET"] <= 2
    assert "labels.GET" not in second
