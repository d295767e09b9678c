"""One process with the SDK for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.oracles.supervisely.served import Sdk


@pytest.fixture(scope="session")
def sdk() -> Iterator[Sdk]:
    """The SDK, started when it is first used."""
    found = Sdk()
    yield found
    found.close()
