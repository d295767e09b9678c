import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow
from pipeline.core.losses import LossKind
from pipeline.core.operations import Call, Clip, Convert, Keep, Rename, Set
from pipeline.core.rows import MediaMode, Mode
from pipeline.errors import Exit, UsageError
from pipeline.job import Address, Job, from_addresses, operation, parse_address

WHOLE = """\
source: {platform: coco, annotations: results.json}
target: {platform: encord, project: p, api_key: hunter2}
match: {by: path}
rows: {limit: 100, titles: [0123, 2024-05-01, 12:30, no]}
media: match
mode: replace
allow_losses: [rotation, holes]
require_answers: true
operations:
  - rename: {classes: {vehicle: car}}
  - keep: {classes: [car], min_confidence: 0.3}
  - convert: {to: box, from: [mask]}
  - set: {attribute: seen, value: true}
  - clip: {}
engine: {bundle_rows: 10, bundle_bytes: 2MiB, linger: 500ms,
  requests_per_second: 20, concurrency: 8, workers: 2}
journal: sqlite:///runs/labels.db
"""
CONFIGS = Path(__file__).parents[2] / "configs"
TARGET = {"name": "x", "target": {"platform": "coco"}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def written(folder: Path, text: str) -> Path:
    path = folder / "nightly.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_of_a_job_file_is_read(folder: Path) -> None:
    job = Job.load(written(folder, WHOLE))
    assert job.name == "nightly"
    assert job.source == {"platform": "coco", "annotations": "results.json"}
    assert job.match.rule().by == "path"
    assert job.rows.choice().titles == ("0123", "2024-05-01", "12:30", "no")
    assert job.rows.choice().limit == 100
    assert job.mode is Mode.REPLACE
    assert job.allow_losses == {LossKind.ROTATION, LossKind.HOLES}
    assert job.require_answers
    assert job.operations == (
        Rename(classes={"vehicle": "car"}),
        Keep(classes=("car",), min_confidence=0.3),
        Convert(to=Shape.BOX, from_=(Shape.MASK,)),
        Set(attribute="seen", value=True),
        Clip(),
    )
    assert (job.engine.bundle_rows, job.engine.bundle_bytes, job.engine.linger) == (10, 2 * 1024**2, 0.5)
    assert job.journal_path == Path("runs/labels.db")


def test_media_says_where_pictures_come_from(folder: Path) -> None:
    assert Job.load(written(folder, WHOLE)).media is MediaMode.MATCH
    linked = Job.load(written(folder, WHOLE.replace("media: match", "media: link")))
    assert linked.media is MediaMode.LINK
    assert linked.fingerprint() != Job.load(written(folder, WHOLE)).fingerprint()
    assert Job.load(written(folder, WHOLE.replace("media: match\n", ""))).media is MediaMode.MATCH


def test_a_secret_is_in_no_repr_and_in_no_message(folder: Path) -> None:
    job = Job.load(written(folder, WHOLE))
    assert "hunter2" not in repr(job)
    assert "hunter2" not in repr(from_addresses("coco:a.json", "encord:p?api_key=hunter2"))
    with pytest.raises(UsageError) as caught:
        Job.load(written(folder, WHOLE.replace("mode: replace", "password: hunter2")))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"tagret": 1}, "job.yaml: unknown key 'tagret'; did you mean 'target'?"),
        (
            {"engine": {"bundle_row": 5}},
            "job.yaml: engine: unknown key 'bundle_row'; did you mean 'bundle_rows'?",
        ),
        (
            {"engine": {"bundle_rows": 1001}},
            "engine.bundle_rows: found 1001, expected less than or equal to 1000",
        ),
        ({"engine": {"bundle_bytes": "8 miles"}}, "engine.bundle_bytes: found '8 miles', expected bytes"),
        ({"engine": {"linger": -1}}, "engine.linger: found -1, expected seconds"),
        ({"mode": "replace"}, "a job without a source edits the target's own rows and has no mode"),
        (
            {"source": {"platform": "coco"}, "mode": "edit"},
            "mode: found 'edit', expected 'replace', 'append' or 'skip-existing'",
        ),
        ({"media": "cpoy"}, "media: found 'cpoy', expected 'match', 'link' or 'copy'"),
        ({"media": "copy"}, "media: found 'copy', but a job without a source edits the target's own rows"),
        ({"allow_losses": ["hole"]}, "allow_losses[0]: found 'hole', expected 'shape'"),
        ({"rows": {"titles": [1]}}, "rows.titles[0]: found 1, expected text; put it in quotes: '1'"),
        ({"target": {}}, "target: the key `platform` is missing"),
        ({"source": 5}, "source: found 5, expected a platform and its settings"),
        ({"journal": "mysql://u:p@h/x"}, "journal: found 'mysql', expected sqlite:///FILE"),
        ({"operations": {"keep": {}}}, "operations: found {'keep': {}}, expected a list"),
        ({"operations": [{"kep": {}}]}, "operations[0]: unknown operation 'kep'; did you mean 'keep'?"),
        (
            {"operations": [{"keep": {"class": []}}]},
            "operations[0].keep: unknown key 'class'; did you mean 'classes'",
        ),
        ({"operations": [{"keep": {}}]}, "operations[0].keep: no condition is given"),
        (
            {"operations": [{"keep": {"classes": "car"}}]},
            "operations[0].keep.classes: found 'car', expected a list",
        ),
        (
            {"operations": ["clip", {"keep": {"frames": [5, 1]}}]},
            "operations[1].keep: frames: the range [5, 1]",
        ),
        (
            {"operations": [{"convert": {"to": "point"}}]},
            "operations[0].convert: to: nothing becomes a point",
        ),
        (
            {"operations": [{"add": {"objects": [{"class": "a", "bix": 1}]}}]},
            "add.objects[0]: unknown key 'bix'",
        ),
        ({"operations": [{"call": "json"}]}, "operations[0].call: found 'json', expected module:function"),
        ({"operations": [{"call": "nowhere:f"}]}, "call: module 'nowhere' cannot be imported"),
        ({"operations": [{"call": "json:nope"}]}, "module 'json' has no function 'nope'"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_was_expected(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Job.from_mapping({**TARGET, **parts}, where="job.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("job.yaml: ")
    assert caught.value.exit_code is Exit.USAGE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "nightly.yaml, line 2, column 1: key 'name' is there twice"),
        ("a: &x 1\nb: *x\n", "line 2, column 4: alias *x is not allowed"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper than 32 levels"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("a: [1\n", "line 2"),
        ("- 1\n", "expected the keys of a job"),
        ("a: " + "x" * 1024 * 1024, "a job file has at most 1048576"),
    ],
)
def test_a_file_that_is_no_job_is_refused_with_the_line(folder: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Job.load(written(folder, text))
    assert message in str(caught.value)
    assert "nightly.yaml" in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml: No such file"):
        Job.load("nowhere.yaml")


def test_the_fingerprint_follows_what_is_written_and_nothing_else(folder: Path) -> None:
    first = Job.load(written(folder, WHOLE)).fingerprint()
    for old, new in (
        ("rows: 10,", "rows: 11,"),
        ("hunter2", "hunter3"),
        ("labels.db", "other.db"),
    ):
        assert Job.load(written(folder, WHOLE.replace(old, new))).fingerprint() == first
    for old, new in (
        ("vehicle", "truck"),
        ("limit: 100", "limit: 99"),
        ("project: p", "project: q"),
        ("0.3", "0.4"),
    ):
        assert Job.load(written(folder, WHOLE.replace(old, new))).fingerprint() != first


def test_a_function_is_loaded_from_the_working_folder(folder: Path) -> None:
    source = "def fix(row):\n    return row\n\nasync def slow(row):\n    return row\n"
    (folder / "my_operations.py").write_text(source, encoding="utf-8")
    job = Job.from_mapping({**TARGET, "operations": [{"call": "my_operations:fix"}]})
    row = LabelRow("k")
    assert job.operations[0](row) is row
    assert job.operations[0].foreign
    with pytest.raises(UsageError, match="my_operations:slow is async"):
        Job.from_mapping({**TARGET, "operations": [{"call": "my_operations:slow"}]})


def own(row: LabelRow) -> LabelRow:
    return row


def test_functions_and_rows_may_come_from_python() -> None:
    rows = [LabelRow("k")]
    job = Job(name="x", source=rows, target={"platform": "archive"}, operations=[own, Clip()], mode="append")
    assert job.mode is Mode.APPEND
    assert job.source is rows
    assert isinstance(job.operations[0], Call)
    assert job.operations[0].name.endswith(":own")
    assert job.operations[1] == Clip()


def test_an_operation_is_made_in_python_with_the_keys_of_a_job_file() -> None:
    made = operation("convert", to="box", from_=["mask"])
    assert made == Convert(to=Shape.BOX, from_=(Shape.MASK,))
    with pytest.raises(UsageError, match="did you mean 'classes'"):
        operation("keep", clases=["car"])


def test_an_address_has_a_platform_a_place_a_fragment_and_settings() -> None:
    assert parse_address("segments:me/data?url=http://127.0.0.1:8701#truth") == Address(
        "segments", "me/data", "truth", {"url": "http://127.0.0.1:8701"}
    )
    assert parse_address("coco:a%23b.json").rest == "a#b.json"
    job = from_addresses("coco:a.json", "encord:p?api_key=k", mode="append")
    assert job.name == "coco:a.json -> encord:p"
    assert job.target == Address("encord", "p", "", {"api_key": "k"})


def test_two_copies_to_places_that_only_settings_tell_apart_have_two_names() -> None:
    to = "supervisely:?project={}&workspace=6&api_token=k&url=https://me:secret@host"
    names = [from_addresses("coco:a.json", to.format(name)).name for name in ("one", "two")]
    assert names == [f"coco:a.json -> supervisely:?project={name}&workspace=6" for name in ("one", "two")]


@pytest.mark.parametrize("text", ["coco", "coco:", ":a", "coco:a?b", "coco:a?x=1&x=2", "coco:a?platform=b"])
def test_an_address_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="address"):
        parse_address(text)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_a_job(path: Path) -> None:
    assert Job.load(path).name == path.stem
