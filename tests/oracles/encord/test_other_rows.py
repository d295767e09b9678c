"""Rows that are not of the plain kind: other media, the old form, and the web editor's spelling."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import run
from pipeline.job import Job
from tests.oracles.encord import meant
from tests.oracles.encord.labels import full_rows
from tests.oracles.encord.planting import frames_of, without
from tests.oracles.encord.project import IMAGE, TARGET, Json, Sdk, differences, needs_sdk, orchard

pytestmark = [pytest.mark.anyio, needs_sdk]

OTHERS = {"scan": "dicom", "brain": "nifti", "call": "audio", "report": "pdf", "letter": "plain_text"}
EDIT = f"{TARGET}operations:\n  - set: {{attribute: Description, value: a whale, classes: [Whale]}}\n"


async def test_rows_of_other_kinds_are_rejected_by_name_and_the_others_arrive(
    sdk: Sdk, tmp_path: Path
) -> None:
    plain = full_rows()
    odd = [replace(IMAGE, key=title, title=title) for title in OTHERS]
    async with orchard(sdk, tmp_path, [*odd, *plain], kinds=OTHERS) as project:
        archive = {"platform": "archive", "path": str(tmp_path / "rows")}
        journal = f"sqlite:///{tmp_path}/made.db"
        await run(Job(name="made", source=[*odd, *plain], target=archive, journal=journal))
        await project.labelferry("copy", "archive:rows", project.address, code=3)
        rejected = (await project.labelferry("rejects", "list")).out.splitlines()
        seen = await project.seen()
    for title, kind in OTHERS.items():
        [line] = [line for line in rejected if f"'{title}'" in line]
        assert f"is a {kind.replace('_', ' ')} row" in line
    assert {row.title: meant.disagreements(row, seen[row.title]) for row in plain} == {
        row.title: [] for row in plain
    }


def age(_: str, row: Json) -> None:
    """Turn a row into one of the old form: classifications said frame by frame, polygons of one ring."""
    for unit in row["data_units"].values():
        for labels in frames_of(unit).values():
            for item in labels["objects"]:
                if item["shape"] == "polygon":
                    item.pop("polygons")
                item.pop("confidence", None)
    for key, entry in row["classification_answers"].items():
        spans = entry.pop("range")
        for unit in row["data_units"].values():
            for frame, labels in frames_of(unit).items():
                at = int(frame or unit["data_sequence"])
                if any(first <= at <= last for first, last in spans):
                    said = {"classificationHash": key, "featureHash": entry["featureHash"], "reviews": []}
                    labels["classifications"].append(said)


async def test_rows_of_the_old_form_are_edited_and_keep_it_elsewhere(sdk: Sdk, tmp_path: Path) -> None:
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        await project.plant(age)
        before, raw_before = await project.seen(), await project.raw()
        await project.job(EDIT)
        seen, raw = await project.seen(), await project.raw()
        await project.labelferry("copy", project.address, "archive:backup")
        await project.reset()
        await project.labelferry("copy", "archive:backup", project.address)
        restored = await project.raw()
    for title, row in before.items():
        whales = {key for key, item in row["objects"].items() if item["name"] == "Whale"}
        for whale in whales:
            row["objects"][whale]["answers"]["Description"] = "a whale"
        assert differences(row, seen[title], title) == []
        assert differences(without(raw_before[title], whales), without(raw[title], whales), title) == []
        for key in ("label_hash", "created_at"):
            raw[title].pop(key), restored[title].pop(key)
        for entry in restored[title]["classification_answers"].values():
            entry.pop("range", None)  # written anew they also say what newer readers look for
        assert differences(without(raw[title], set()), without(restored[title], set()), title) == []


def split(_: str, row: Json) -> None:
    """Spell the checklists of objects as the web editor does: one entry for each option."""
    for holder in row["object_answers"].values():
        holder["classifications"] = [
            {**entry, "answers": said} for entry in holder["classifications"] for said in _parts(entry)
        ]


def _parts(entry: Json) -> list[object]:
    said = entry["answers"]
    return [[one] for one in said] if isinstance(said, list) and len(said) > 1 else [said]


async def test_the_web_editors_split_checklists_are_read_whole_and_written_as_the_sdk_reads_them(
    sdk: Sdk, tmp_path: Path
) -> None:
    async with orchard(sdk, tmp_path) as project:
        await project.sdk("sdk_bulk_import", bundle_size=100)
        before = await project.seen()
        await project.plant(split)
        raw_before = await project.raw()
        assert differences(before, await project.seen()) == []
        await project.job(EDIT)
        kept = await project.raw()
        first = await project.seen()
        marks = EDIT.replace("Description, value: a whale", "Marks, value: [Notch, Scar]")
        await project.job(marks, name="marks")
        seen = await project.seen()
    for title, row in before.items():
        whales = {key for key, item in row["objects"].items() if item["name"] == "Whale"}
        assert differences(without(raw_before[title], whales), without(kept[title], whales), title) == []
        for whale in whales:
            row["objects"][whale]["answers"]["Description"] = "a whale"
        assert differences(row, first[title], title) == []
        for whale in whales:
            row["objects"][whale]["answers"]["Marks"] = ["Notch", "Scar"]
        assert differences(row, seen[title], title) == []
