"""What the verbs do, as a user sees it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from pipeline import Job, LabelRow, run_sync
from tests.cli.command import coco, command, environment, labelferry, sandbox

SOURCE = "source: {platform: coco, annotations: instances.json}\n"
JOB = SOURCE + "target: {platform: archive, path: out}\n"


def test_without_arguments_the_help_is_shown(tmp_path: Path) -> None:
    ended = labelferry(cwd=tmp_path)
    assert ended.code == 0
    assert "copy" in ended.out
    assert labelferry("--version", cwd=tmp_path).out.startswith("labelferry ")


def test_the_help_does_not_wait_for_the_network_or_the_database(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['x', '--help']; from pipeline.cli import main; main()"
    show = f"import atexit, sys; atexit.register(lambda: print(sorted(sys.modules))); {code}"
    done = subprocess.run(
        [sys.executable, "-c", show],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    for heavy in ("'aiohttp'", "'sqlalchemy'", "'numpy'", "'pydantic'", "'structlog'"):
        assert heavy not in done.stdout


def test_a_run_prints_its_report_and_writes_it(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    (tmp_path / "job.yaml").write_text(JOB)
    dry = labelferry("run", "job.yaml", "--dry-run", cwd=tmp_path)
    assert dry.code == 0, dry.text
    assert "3 would-save" in dry.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instances.json", "job.yaml"]
    ended = labelferry("run", "job.yaml", "--report", "report.json", cwd=tmp_path)
    assert ended.code == 0, ended.text
    assert "3 saved" in ended.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["version"], report["outcome"], report["exit_code"]) == (1, "saved", 0)
    assert (report["rows"]["saved"], report["labels"]["saved"], report["expected"]) == (3, 3, 3)
    status = labelferry("status", cwd=tmp_path)
    assert "saved" in status.out
    assert "job: 3 saved" in status.out
    again = labelferry("resume", cwd=tmp_path)
    assert again.code == 2
    assert "nothing to resume" in again.err


def test_json_logs_are_one_object_a_line(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    ended = labelferry("copy", "coco:instances.json", "archive:out", "--json-logs", cwd=tmp_path)
    assert ended.code == 0, ended.text
    names = [json.loads(line)["event"] for line in ended.err.splitlines()]
    assert names[-1] == "run ended"
    assert "run started" in names


def test_rejected_rows_are_listed_exported_and_tried_again(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json", 20)
    with sandbox(tmp_path, "--seed", "instances.json", "--keys", "keys") as server:
        server.control("faults", {"poison": ["7.jpg"]})
        ended = labelferry("copy", "coco:instances.json", server.address, cwd=tmp_path, env=server.env)
        assert ended.code == 3, ended.text
        assert "19 saved, 1 rejected" in ended.out
        listed = labelferry("rejects", "list", cwd=tmp_path).out.rstrip("\n").split("\t")
        assert listed[1:3] == ["7.jpg", "save"]
        exported = labelferry("rejects", "export", "rejected", cwd=tmp_path)
        assert "1 rows in rejected" in exported.out
        assert '"7.jpg"' in (tmp_path / "rejected" / "rows.jsonl").read_text()
        still = labelferry("rejects", "retry", cwd=tmp_path, env=server.env)
        assert still.code == 3, still.text
        server.control("faults", {})
        retried = labelferry("rejects", "retry", cwd=tmp_path, env=server.env)
        assert retried.code == 0, retried.text
        assert "20 saved" in labelferry("status", cwd=tmp_path).out
        assert server.control("log")["rows"]["save"] == 20
        none = labelferry("rejects", "retry", cwd=tmp_path, env=server.env)
        assert none.code == 2
        assert "has no rejected row; name another with --run" in none.err
        named = labelferry("rejects", "retry", "--row", "absent", cwd=tmp_path, env=server.env)
        assert named.code == 2
        assert "`labelferry rejects list` names them" in named.err


def test_a_run_of_a_python_program_is_to_be_run_again_by_the_program(tmp_path: Path) -> None:
    """The command line knows the run, but has neither its rows nor its functions."""
    code = (
        "from pipeline import Job, run_sync\n"
        "run_sync(Job(name='mine', source=[], target={'platform': 'archive', 'path': 'out'}))\n"
        "run_sync(Job(name='mine', source=['no row'], target={'platform': 'archive', 'path': 'two'}))\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    newest, oldest = labelferry("status", cwd=tmp_path).out.splitlines()
    assert newest.endswith("unfinished   mine: no rows yet")
    assert oldest.endswith("saved        mine: no rows")
    resumed = labelferry("resume", cwd=tmp_path)
    assert resumed.code == 2
    assert "where job 'mine' came from is not kept; run it again: a Python program itself" in resumed.err


def test_rejected_rows_that_share_a_key_are_all_exported(tmp_path: Path) -> None:
    rows = [LabelRow("same", title) for title in ("first", "second", "third")]
    target = {"platform": "archive", "path": str(tmp_path / "out")}
    journal = f"sqlite:///{tmp_path}/labelferry.db"
    report = run_sync(Job(name="twice", source=rows, target=target, journal=journal))
    assert (report.rows["saved"], report.rows["rejected"]) == (1, 2)
    assert "2 rows in rejected" in labelferry("rejects", "export", "rejected", cwd=tmp_path).out
    written = (tmp_path / "rejected" / "rows.jsonl").read_text()
    assert "second" in written
    assert "third" in written


def test_ctrl_c_drains_or_ends_at_once_and_resume_finishes(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json", 1500)
    with sandbox(tmp_path, "--seed", "instances.json", "--keys", "keys") as server:
        (tmp_path / "job.yaml").write_text(
            f"{SOURCE}{server.target}engine: {{bundle_rows: 5, requests_per_second: 60, concurrency: 2}}\n"
        )
        for number, code, times in (
            (signal.SIGINT, 130, 1),
            (signal.SIGTERM, 143, 1),
            (signal.SIGINT, 130, 2),
        ):
            ended, err = interrupted(tmp_path, server.env, number, times)
            assert ended == code, err
            assert "Traceback" not in err
            assert "labelferry resume" in err
        saved = server.control("log")["rows"]["save"]
        assert 0 < saved < 1500
        finished = labelferry("resume", cwd=tmp_path, env=server.env)
        assert finished.code == 0, finished.text
        assert "1,500 saved" in labelferry("status", cwd=tmp_path).out
        rows = server.control("rows")
        assert len(rows) == 1500
        assert all(len(row["label_row"]["object_answers"]) == 1 for row in rows)


def interrupted(cwd: Path, env: object, number: signal.Signals, times: int) -> tuple[int, str]:
    """Run the job, send a signal so often from the first saved bundle on; return code and stderr."""
    assert isinstance(env, dict)
    process = subprocess.Popen(
        command(["run", "job.yaml", "--json-logs"]),
        cwd=cwd,
        env=environment(env),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if '"bundle done"' in line or '"stopping:' in line:
            process.send_signal(number)
            times -= 1
            if not times:
                break
    said += process.stderr.readlines()
    process.stderr.close()
    return process.wait(), "".join(said)


def test_a_sandbox_goes_on_with_its_state_after_a_kill(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    arguments = ["--seed", "instances.json", "--keys", "keys", "--option", "state=state.jsonl"]
    with sandbox(tmp_path, *arguments) as server:
        done = labelferry("copy", "coco:instances.json", server.address, cwd=tmp_path, env=server.env)
        assert done.code == 0, done.text
        shutil.copy(tmp_path / "state.jsonl", tmp_path / "as-killed.jsonl")
    with (tmp_path / "as-killed.jsonl").open("a") as file:
        file.write('{"data_hash": "half a li')
    os.replace(tmp_path / "as-killed.jsonl", tmp_path / "state.jsonl")  # noqa: PTH105 - as a shell would
    with sandbox(tmp_path, *arguments) as server:
        again = labelferry(
            "copy", "coco:instances.json", server.address, "--mode", "replace", cwd=tmp_path, env=server.env
        )
    assert again.code == 0, again.text
    assert "3 unchanged" in again.out


def test_the_demo_saves_all_rows_and_the_second_one_finds_them_unchanged(tmp_path: Path) -> None:
    first = labelferry("demo", "--rows", "20", "--latency", "0", cwd=tmp_path)
    assert first.code == 0, first.text
    assert "20 saved" in first.out
    second = labelferry("demo", "--rows", "20", "--latency", "0", cwd=tmp_path)
    assert second.code == 0, second.text
    assert "20 unchanged" in second.out
    assert "saved " not in second.out.partition("rows  ")[2].partition("\n")[0]


def test_doctor_checks_a_job_line_by_line(tmp_path: Path) -> None:
    coco(tmp_path / "instances.json")
    with sandbox(tmp_path, "--seed", "instances.json", "--keys", "keys") as server:
        (tmp_path / "job.yaml").write_text(SOURCE + server.target)
        well = labelferry("doctor", "job.yaml", cwd=tmp_path, env=server.env)
        assert well.code == 0, well.text
        assert all(line.startswith("ok ") for line in well.out.splitlines())
        coco(tmp_path / "instances.json", name="unicorn")
        ill = labelferry("doctor", "job.yaml", cwd=tmp_path, env=server.env)
        keyless = labelferry("doctor", "job.yaml", cwd=tmp_path)
    assert ill.code == 2
    assert "unicorn" in ill.out
    assert keyless.code == 4
    assert "ENCORD_SSH_KEY_FILE" in keyless.out
