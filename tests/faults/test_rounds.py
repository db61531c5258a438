"""Ten rounds of `make faults`, with the same kills every time."""

from __future__ import annotations

import pytest
from posada_testkit.house import a_house

from . import rounds

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.xdist_group("rounds"), pytest.mark.timeout(600)]

ROUNDS, SEED = 10, 7


async def test_ten_kills_under_load_cost_no_login_and_leave_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    with a_house(tmp_path_factory.mktemp("rounds") / "data", **rounds.SETTINGS) as house:
        done = [each async for each in rounds.run(house, ROUNDS, SEED)]
        assert not [str(each) for each in done if each.faults]
        assert not await rounds.check_books(house)
