"""Secrets never leave the program, whatever writes them."""

import json
import logging

import pytest

from pipeline.events import BundleDone, RequestDone, RowRejected
from pipeline.io.redaction import HIDDEN, Redactor
from pipeline.io.telemetry import EventLog, forward_logging, open_log

CANARY = "canary-7f3a9c1e"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"authorization='{CANARY}'",
        f'{{"api_key": "{CANARY}"}}',
        f"encord:project?url=http://127.0.0.1:1&token={CANARY}",
        f"http://user:{CANARY}@127.0.0.1/",
        f"API_TOKEN={CANARY}",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY} and the rest is cut off",
    ],
)
def test_a_secret_is_hidden_where_its_name_gives_it_away(text: str) -> None:
    cleaned = Redactor({}).text(text)
    assert CANARY not in cleaned
    assert HIDDEN in cleaned


def test_a_secret_of_the_environment_is_hidden_wherever_it_stands() -> None:
    redactor = Redactor({"SEGMENTS_API_KEY": CANARY, "HOME": "/data/me"})
    assert (
        redactor.text(f"the server says {CANARY!r} of /data/me") == f"the server says '{HIDDEN}' of /data/me"
    )


def test_every_line_of_a_secret_of_several_lines_is_hidden() -> None:
    redactor = Redactor({"ENCORD_SSH_KEY": f"first-line\n{CANARY}\n"})
    assert CANARY not in redactor.text(f"bad base64 in {CANARY}")


def test_a_secret_that_is_learned_later_is_hidden_at_any_depth() -> None:
    redactor = Redactor({})
    redactor.learn({"target": {"token": CANARY, "url": "https://api.example.com"}})
    cleaned = redactor.value({"rows": [{"reason": f"refused {CANARY}"}], CANARY: 1, "n": 2.5, "none": None})
    assert CANARY not in json.dumps(cleaned)
    assert cleaned["n"] == 2.5
    assert cleaned["none"] is None


def test_a_path_to_a_key_is_no_secret() -> None:
    redactor = Redactor({"ENCORD_SSH_KEY_FILE": "/keys/encord"})
    assert redactor.text("ssh_key_file: /keys/encord") == "ssh_key_file: /keys/encord"


def test_ordinary_words_are_left_alone() -> None:
    text = "row 7 (token.jpg): class 'secretary' is unknown; the key 'car' is there twice"
    assert Redactor({"API_TOKEN": "car"}).text(text) == text


def test_json_logs_are_one_object_a_line_without_secrets() -> None:
    lines: list[str] = []
    log = open_log(lines.append, Redactor({"API_TOKEN": CANARY}), as_json=True)
    tell = EventLog(log)
    tell(BundleDone("b1", 10, 0, 50))
    tell(RowRejected("r1", "a.jpg", "save", f"refused with {CANARY}", 3))
    tell(RequestDone("host", "save", 200, "ok", 1, 10, 10, 0.1))
    first, second = map(json.loads, lines)
    assert (first["event"], first["saved"], first["level"]) == ("bundle done", 10, "info")
    assert (second["event"], second["reason"], second["level"]) == (
        "row rejected",
        f"refused with {HIDDEN}",
        "warning",
    )
    assert first["time"].endswith("Z")


def test_a_console_shows_the_first_rejected_rows_only() -> None:
    lines: list[str] = []
    tell = EventLog(open_log(lines.append, Redactor({}), as_json=False), most=2)
    for number in range(5):
        tell(RowRejected(f"r{number}", "", "pack", "no class 'cat'", 1))
    tell(BundleDone("b1", 10, 0, 50))
    assert len(lines) == 2
    assert "no class 'cat'" in lines[0]


def test_what_libraries_log_is_one_line_without_a_stack_trace() -> None:
    lines: list[str] = []
    root = logging.getLogger()
    before = (root.handlers, root.level)
    try:
        forward_logging(open_log(lines.append, Redactor({}), as_json=False))
        try:
            int("inner")
        except ValueError:
            logging.getLogger("asyncio").exception("Task exception was never retrieved\nfuture: <Task>")
    finally:
        root.handlers, root.level = before
    assert len(lines) == 1
    assert "Task exception was never retrieved" in lines[0]
    assert "Traceback" not in lines[0]
