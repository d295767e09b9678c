"""The settings of Supervisely: what an address means, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.platforms.supervisely.adapter import address
from pipeline.platforms.supervisely.settings import SERVICE, Settings


@pytest.mark.parametrize(
    ("text", "fragment", "settings"),
    [
        ("123", "", {"project": 123}),
        ("123/", "", {"project": 123}),
        ("123/day/front", "", {"project": 123, "dataset": "day/front"}),
        ("123/day", "1", {"project": 123, "dataset": "day#1"}),
        ("exports/2024", "", {"folder": "exports/2024"}),
        ("./2024/x", "", {"folder": "./2024/x"}),
        ("/2024", "", {"folder": "/2024"}),
        ("a", "b", {"folder": "a#b"}),
        ("", "", {}),  # the query names it
    ],
)
def test_an_address_names_a_project_or_a_folder(text: str, fragment: str, settings: dict[str, Any]) -> None:
    assert address(text, fragment) == settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "neither project nor folder"),
        ({"project": 0}, "found 0"),
        ({"project": " "}, "found ' '"),
        ({"project": "x"}, "add `workspace`"),
        ({"project": 1, "dataset": "a//b"}, "found 'a//b'"),
        ({"project": 1, "url": "http://example.com"}, "http is not encrypted"),
        ({"project": 1, "url": "ftp://example.com"}, "not an http or https address"),
        ({"folder": "x", "url": SERVICE, "project": 1}, "folder and project and url are given"),
        ({"folder": "x", "workspace": 1}, "take folder 'x' out, or the others"),
        ({"project": 1, "if_taken": "maybe"}, "new-name"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.model_validate(given)


def test_the_address_of_the_server_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVER_ADDRESS", raising=False)
    assert Settings.model_validate({"project": 1}).url == SERVICE
    monkeypatch.setenv("SERVER_ADDRESS", "labels.example.com/")
    assert Settings.model_validate({"project": 1}).url == "https://labels.example.com"
    assert Settings.model_validate({"project": 1, "url": SERVICE}).url == SERVICE
    monkeypatch.setenv("SERVER_ADDRESS", "http://labels.example.com")
    assert Settings.model_validate({"folder": "x"}).folder == Path("x")
    with pytest.raises(ValueError, match="not encrypted"):
        Settings.model_validate({"project": 1})
