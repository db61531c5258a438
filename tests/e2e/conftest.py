"""One house for all end-to-end tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from posada_client import PosadaClient
from posada_testkit.house import House, a_house


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The platform, with a quick playground."""
    with a_house(tmp_path_factory.mktemp("house") / "data", ONEBOX_PAGE_DELAY_MS=5) as running:
        yield running


@pytest.fixture
def posada(house: House) -> Iterator[PosadaClient]:
    """The SDK as admin of the house."""
    with house.client() as client:
        yield client
