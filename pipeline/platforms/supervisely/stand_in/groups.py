"""Groups of labels: the key that is sent is a hint, the one that is kept is the id of a label of the group.

Which one of them, and whether it travels as a number or as text, is not known of the real service.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.platforms.supervisely.stand_in.answers import Json


@dataclass(frozen=True, slots=True)
class Keys:
    """How keys are given. `first`: the id of the first label of a group, else of the last one.

    `kept`: the keys that are sent stay.
    """

    kind: Literal["int", "str"]
    first: bool
    kept: bool

    def give(self, labels: Iterable[Json], present: Iterable[Json] = ()) -> None:
        """Set the keys of new labels, which have ids. `present` are the labels that are there already."""
        known = {str(label["instance"]): label["instance"] for label in present if "instance" in label}
        groups: dict[str, list[Json]] = {}
        for label in labels:
            given = label.get("instance")
            if given is None:
                label.pop("instance", None)
                continue
            sent = str(given)
            if sent in known:
                label["instance"] = known[sent]
            else:
                groups.setdefault(sent, []).append(label)
        for sent, members in groups.items():
            key = sent if self.kept else members[0 if self.first else -1]["id"]
            key = key if self.kept or self.kind == "int" else str(key)
            for label in members:
                label["instance"] = key
