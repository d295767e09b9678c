"""Which labels of a row that is to be appended are there already: those that say what a label there says."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from pipeline.core.labels import Group

Meanings: TypeAlias = Mapping[str, bytes]
"""What labels say, by their ids."""


def paired(
    mine: Meanings,
    groups: Iterable[Group],
    there: Meanings,
    groups_there: Iterable[Group],
    own: Collection[str] = (),
) -> dict[str, str]:
    """Return, by id, the label there that says the same, for each that has one; `own` are those there.

    Of equal labels those belong together whose groups say the same too, and each is taken once as long as
    there are enough of them: otherwise labels that are appended twice would be bound anew.
    """
    found = {name: name for name in own}
    ties, ties_there = _ties(mine, groups), _ties(there, groups_there)
    backwards = list(there)[::-1]
    alike: dict[tuple[bytes, bytes | None], list[str]] = {}
    for name in (one for one in backwards if one not in own):
        alike.setdefault((there[name], ties_there.get(name)), []).append(name)
    for name in (one for one in mine if one not in own):
        if same := alike.get((mine[name], ties.get(name))):
            found[name] = same.pop()
    taken = set(found.values())
    last = {said: name for name, said in there.items()}
    left: dict[bytes, list[str]] = {}
    for name in (one for one in backwards if one not in taken):
        left.setdefault(there[name], []).append(name)
    for name, said in mine.items():
        if name not in found and said in last:
            found[name] = left[said].pop() if left.get(said) else last[said]
    return found


def _ties(meanings: Meanings, groups: Iterable[Group]) -> dict[str, bytes]:
    """What all labels of the first group of each one say."""
    ties: dict[str, bytes] = {}
    for group in groups:
        members = [one for one in dict.fromkeys(group.objects) if one in meanings]
        whole = b"\0".join(sorted(meanings[one] for one in members))
        for one in members:
            ties.setdefault(one, whole)
    return ties
