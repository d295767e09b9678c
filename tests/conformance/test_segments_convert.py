"""Golden labels of Segments.ai survive labels -> wire -> labels, key by key and number by number."""

import pytest

from tests.conformance.segments_labels import (
    NAMES,
    archived,
    elsewhere,
    exact,
    golden,
    opened,
    pack,
    sent,
)

EVERY = pytest.mark.parametrize("name", NAMES)


@EVERY
def test_an_unchanged_label_goes_back_as_it_came(name: str) -> None:
    found = golden(name)
    row = found.row()
    packed = pack(opened(row, found.sample, found.label, existing=found.row()), found.project)
    assert exact(sent(packed)["attributes"]) == exact(found.attributes)
    assert packed.unchanged
    assert packed.losses == ()
    assert packed.assets == ()


@EVERY
def test_an_archived_label_goes_back_as_it_came(name: str) -> None:
    found = golden(name)
    row = archived(found.row())
    packed = pack(opened(row, found.sample, found.label, existing=found.row()), found.project)
    assert exact(sent(packed)["attributes"]) == exact(found.attributes)
    assert packed.unchanged
    assert packed.losses == ()


@EVERY
def test_a_label_goes_to_another_sample_as_it_came(name: str) -> None:
    found = golden(name)
    packed = pack(opened(archived(found.row()), elsewhere(found.sample)), found.project)
    assert exact(sent(packed)["attributes"]) == exact(found.attributes)
    assert sent(packed)["label_status"] == found.label.label_status
    assert sent(packed).get("score") == found.label.score
    assert packed.losses == ()
    assert not packed.unchanged
    assert packed.digest == pack(opened(found.row(), found.sample), found.project).digest
