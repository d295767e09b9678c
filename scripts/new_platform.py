"""Makes a platform's folder as a working copy of another one, under the new name.

The copy speaks the other's format until its modules are replaced, so it runs and passes the conformance
tests from the start, and every step away from it can be tested.
"""

import argparse
import re
import shutil
from pathlib import Path

PLATFORMS = Path(__file__).resolve().parent.parent / "pipeline" / "platforms"


def renamed(text: str, like: str, name: str) -> str:
    """Return the text with the platform's name changed, in identifiers and class names too."""
    camel = {part: "".join(word.capitalize() for word in part.split("_")) for part in (like, name)}
    text = re.sub(rf"(?<![a-z]){like}(?![a-z])", name, text)
    return re.sub(rf"(?<![a-zA-Z]){camel[like]}(?![a-z])", camel[name], text)


def copy(like: str, name: str) -> list[Path]:
    """Copy the folder of platform `like` to that of `name`; return the new files."""
    target = PLATFORMS / name
    shutil.copytree(PLATFORMS / like, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(path for path in target.rglob("*") if path.is_file()):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a recorded image or archive: kept as it is
            continue
        path.write_text(renamed(text, like, name), encoding="utf-8")
        path.rename(path.with_name(renamed(path.name, like, name)))
    return sorted(path for path in target.rglob("*") if path.is_file())


def problem(name: str, like: str, known: list[str]) -> str | None:
    """Return why this cannot be done, or None."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return f"NAME is {name!r}; it must be lower case words joined by underscores, as in label_studio"
    if (PLATFORMS / name).exists():
        return f"pipeline/platforms/{name} is there already; choose another name, or remove it"
    if like not in known:
        return f"LIKE is {like!r}; it must be one of {', '.join(known) or '(no platform is there yet)'}"
    return None


def main() -> None:
    """Read the command line, make the folder, and say what to do next."""
    known = sorted(path.parent.name for path in PLATFORMS.glob("*/__init__.py"))
    parser = argparse.ArgumentParser(prog="scripts/new-platform", description=__doc__)
    parser.add_argument("name", help="the new platform's name, which is its folder's")
    parser.add_argument(
        "like", nargs="?", default="archive", help=f"the platform to start from: {', '.join(known)}"
    )
    options = parser.parse_args()
    if reason := problem(options.name, options.like, known):
        parser.error(reason)
    for path in copy(options.like, options.name):
        print(path.relative_to(PLATFORMS.parent.parent))
    print(
        f"\n{options.name} works now as {options.like} does; see: scripts/test tests/conformance\n"
        "Replace wire.py and convert.py first, then the adapter; record samples in golden/.\n"
        f"Add docs/platforms/{options.name}.md and an entry in CHANGELOG.md."
    )


if __name__ == "__main__":
    main()
