"""What every test shares."""

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is slow, and slowness is no failure.
settings.register_profile("labelferry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("labelferry")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, the only loop that aiohttp runs on."""
    return "asyncio"
