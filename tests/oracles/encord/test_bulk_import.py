"""The vendor's way to import labels in bulk works against the stand-in as it does against the service."""

from pathlib import Path

import pytest

from tests.oracles.encord.project import Sdk, differences, needs_sdk, orchard

pytestmark = [pytest.mark.anyio, needs_sdk]


@pytest.mark.parametrize("bundle_size", [2, 100])
async def test_the_sdk_imports_every_shape_and_attribute_in_bulk_and_reads_them_back(
    sdk: Sdk, tmp_path: Path, bundle_size: int
) -> None:
    async with orchard(sdk, tmp_path) as project:
        meant = await project.sdk("sdk_bulk_import", bundle_size=bundle_size)
        seen = await project.seen()
    assert {len(row["objects"]) for row in seen.values()} == {15}
    assert {title: len(row["classifications"]) for title, row in seen.items()} == {
        "image.png": 5,
        "other.png": 5,
        "group": 6,
        "sequence": 6,
        "video.mp4": 6,
    }
    for row in (*meant.values(), *seen.values()):
        for item in row["objects"].values():
            item.pop("number")  # the server's, where the SDK gives none
    assert differences(meant, seen) == []
