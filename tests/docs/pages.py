"""The pages of the documentation, and what is in them that can be tried."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


PROJECT = "7d4ead9c-4087-4832-a301-eb2545e7d43b"
"""The project of all examples."""

TEAM = "my-team"
"""The owner of the datasets of all examples."""

SUPERVISELY = "186534"
"""The Supervisely project of all examples."""

WORKSPACE = "619"
"""The workspace in which examples create projects; the stand-in's has that number."""


def name_of(page: Path) -> str:
    """The page as a test names it."""
    return str(page.relative_to(ROOT))


def commands() -> list[str]:
    """Every command line of labelferry that stands on a line of its own, each once."""
    found: dict[str, None] = {}
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            text = line.strip()
            if line.startswith("    labelferry ") or (text.startswith("labelferry ") and line == text):
                words = shlex.split(text, comments=True)
                if not any(
                    word in {"SOURCE", "TARGET", "JOB.yaml", "is", "needs", "moves"} for word in words
                ):
                    found[shlex.join(words)] = None
    return list(found)


def scripts() -> set[str]:
    """Every script of this repository that a page names."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return set(re.findall(r"\bscripts/[a-z_-]+\b(?:\.py|\.sh)?", text))


def verbs() -> set[str]:
    """Every verb of labelferry that a page names in a command or in code."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return set(re.findall(r"(?:`|^    )labelferry ([a-z]+)", text, re.MULTILINE))


def blocks(language: str) -> list[tuple[str, str]]:
    """Every fenced block of a language, with where it stands."""
    return [
        (f"{name_of(page)}-{number}", match[2])
        for page in PAGES
        for number, match in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8")))
        if match[1] == language
    ]


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The links of a page that stay in the repository: path and anchor."""
    for path, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in path:
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
