"""Every mistake gives one clear message and its exit code, and nothing is written before it is found."""

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.io.lock import lock_path
from tests.cli.command import Sandbox, coco, labelferry, sandbox


@pytest.fixture(scope="module")
def encord(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    with sandbox(folder, "--seed", coco(folder / "seed.json"), "--keys", folder / "keys") as running:
        yield running


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "No such command 'fly'"),
        (["run"], "Missing argument 'JOB.yaml'"),
        (["run", "job.yaml", "--fast"], "No such option"),
        (["run", "job.yaml", "--max-rejects", "-1"], "--max-rejects"),
        (["run", "absent.yaml"], "absent.yaml"),
        (["copy", "instances.json", "archive:out"], "PLATFORM:PLACE"),
        (["copy", "coco:instances.json", "archiv:out"], "did you mean 'archive'"),
        (["copy", "coco:instances.json", "archive:out?pth=1"], "unknown key 'pth'"),
        (["copy", "coco:absent.json", "archive:out"], "absent.json"),
        (["copy", "coco:instances.json", "archive:out", "--mode", "overwrite"], "mode"),
        (["copy", "coco:instances.json", "archive:out", "--allow-loss", "hole"], "hole"),
        (["copy", "coco:instances.json", "archive:out", "--report", "no/such/report.json"], "no/such"),
        (["copy", "coco:instances.json", "archive:out", "--journal", "mysql://x"], "mysql"),
        (["copy", "coco:instances.json", "archive:out", "--journal", "sqlite:///text.db"], "text.db"),
        (["resume"], "there is no journal labelferry.db"),
        (["status"], "there is no journal labelferry.db"),
        (["rejects", "list"], "there is no journal labelferry.db"),
        (["rejects", "export", "."], "is there already"),
        (["sandbox", "coco", "--seed", "instances.json"], "has no sandbox"),
        (["sandbox", "encord", "--seed", "instances.json", "--fault", "rain=1"], "rain"),
        (["sandbox", "encord", "--seed", "instances.json", "--fault", "rain"], "NAME=VALUE"),
        (["sandbox", "encord", "--seed", "absent.json"], "absent.json"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], says: str, tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    (tmp_path / "text.db").write_text("this is no database " * 100)
    ended = labelferry(*arguments, cwd=tmp_path)
    assert ended.code == 2, ended.text
    assert says in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ("target: {platform: archive, path: out}\nsorce: {}", "did you mean 'source'"),
        ("source: [", "job.yaml, line 1"),
        ("source: {platform: coco, annotations: a.json}", "target"),
        ("- 1", "job.yaml"),
        ("target: {platform: archive, path: out}\nmedia: copy", "media: found 'copy'"),
        ("target: {platform: archive, path: out}\noperations: [{renam: {}}]", "did you mean 'rename'"),
    ],
)  # fmt: skip
def test_a_wrong_job_file_ends_with_2_and_names_the_key(job: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(job)
    ended = labelferry("run", "job.yaml", cwd=tmp_path)
    assert ended.code == 2, ended.text
    assert "job.yaml" in ended.err
    assert says in ended.err


def test_a_truncated_file_ends_with_2_before_any_write(encord: Sandbox, tmp_path: Path) -> None:
    whole = coco(tmp_path / "instances.json").read_text()
    (tmp_path / "cut.json").write_text(whole[: len(whole) * 2 // 3])
    before = encord.control("log")["rows"]
    ended = labelferry("copy", "coco:cut.json", encord.address, cwd=tmp_path, env=encord.env)
    assert ended.code == 2, ended.text
    assert "cut.json" in ended.err
    assert encord.control("log")["rows"] == before


def test_a_missing_class_ends_with_2_before_any_write(encord: Sandbox, tmp_path: Path) -> None:
    coco(tmp_path / "instances.json", name="unicorn")
    before = encord.control("log")["rows"]
    ended = labelferry("copy", "coco:instances.json", encord.address, cwd=tmp_path, env=encord.env)
    assert ended.code == 2, ended.text
    assert "unicorn" in ended.err
    assert encord.control("log")["rows"] == before


def test_a_missing_project_ends_with_2(encord: Sandbox, tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    address = f"encord:00000000-0000-4000-8000-000000000000?url={encord.url}"
    ended = labelferry("copy", "coco:instances.json", address, cwd=tmp_path, env=encord.env)
    assert ended.code == 2, ended.text
    assert "00000000-0000-4000-8000-000000000000" in ended.err


def test_a_wrong_key_ends_with_4(encord: Sandbox, tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    with sandbox(tmp_path, "--seed", "instances.json", "--keys", "other") as other:
        ended = labelferry("copy", "coco:instances.json", encord.address, cwd=tmp_path, env=other.env)
    assert ended.code == 4, ended.text


def test_an_expired_token_ends_with_4(encord: Sandbox, tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    address = f"{encord.address}&token=expired-token"
    ended = labelferry("copy", "coco:instances.json", address, cwd=tmp_path)
    assert ended.code == 4, ended.text
    assert "expired-token" not in ended.text


def test_missing_credentials_end_with_4_and_name_the_variables(encord: Sandbox, tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    ended = labelferry("copy", "coco:instances.json", encord.address, cwd=tmp_path)
    assert ended.code == 4, ended.text
    assert "ENCORD_SSH_KEY_FILE" in ended.err


def test_a_server_that_does_not_answer_ends_with_1(encord: Sandbox, tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    address = encord.address.replace(encord.url, "http://127.0.0.1:9")
    ended = labelferry("copy", "coco:instances.json", address, cwd=tmp_path, env=encord.env)
    assert ended.code == 1, ended.text
    assert "127.0.0.1:9" in ended.err


@pytest.mark.parametrize(
    ("segmentation", "says"),
    [
        ({"size": [80, 100], "counts": [5, 9000]}, "run 1 of the mask is 9000"),
        ({"size": [60000, 60000], "counts": [3600000000]}, "60000"),
    ],
)
def test_a_mask_that_cannot_be_rejects_its_row_and_ends_with_3(
    segmentation: dict[str, object], says: str, tmp_path: Path
) -> None:
    path = coco(tmp_path / "instances.json")
    content = json.loads(path.read_text())
    content["annotations"][1] |= {"segmentation": segmentation, "iscrowd": 1}
    path.write_text(json.dumps(content))
    ended = labelferry("copy", "coco:instances.json", "archive:out", "--report", "r.json", cwd=tmp_path)
    assert ended.code == 3, ended.text
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["rows"]["saved"], report["rows"]["rejected"]) == (2, 1)
    assert says in report["rejects"][0]["reason"]


def test_a_job_that_is_running_already_ends_with_75(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    (tmp_path / "job.yaml").write_text(
        "source: {platform: coco, annotations: instances.json}\ntarget: {platform: archive, path: out}\n"
    )
    with lock_path(tmp_path, "job").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = labelferry("run", "job.yaml", cwd=tmp_path)
    assert ended.code == 75, ended.text
    assert "already running" in ended.err
    assert labelferry("run", "job.yaml", cwd=tmp_path).code == 0
