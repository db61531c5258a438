"""Who gets a place: the queue's rules, with a clock that the tests turn."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from posada_browser_runner.pool import Places, Rules, Ticket
from posada_contracts.errors import QueueFullError, UnavailableError

AGEING_S = 60.0
PATIENCE_S = 60.0


class House:
    """Places, and a clock to turn."""

    def __init__(self, places: int = 1, queue: int = 10, per_owner: int = 0) -> None:
        self.now = 0.0
        rules = Rules(places, queue, per_owner, AGEING_S, PATIENCE_S)
        self.places = Places(rules, lambda: self.now)

    def enter(self, session: str, owner: str = "", vip: bool = False) -> Ticket:
        self.now += 1
        return self.places.enter(session, ("tenant", owner or session), vip=vip)

    def seated(self) -> str:
        """The session whose turn it is, seated."""
        ticket = self.places.next()
        assert ticket is not None
        self.places.grant(ticket)
        return ticket.session_id

    def order(self) -> list[str]:
        """Everybody, one after the other."""
        in_order = []
        while self.places.next() is not None:
            in_order.append(self.seated())
        return in_order


async def test_who_came_first_is_first() -> None:
    house = House()
    for name in "abc":
        house.enter(name)
    assert house.order() == ["a", "b", "c"]


async def test_a_vip_overtakes_who_came_lately() -> None:
    house = House()
    house.enter("a")
    house.enter("b", vip=True)
    assert house.order() == ["b", "a"]


async def test_nobody_waits_behind_vips_for_ever() -> None:
    house = House()
    patient = house.enter("patient")
    house.now += AGEING_S
    house.places.asked(patient)
    house.enter("vip", vip=True)
    assert house.order() == ["patient", "vip"]


async def test_an_owner_with_their_share_waits_for_their_own() -> None:
    house = House(places=3, per_owner=1)
    house.enter("a1", owner="a")
    assert house.seated() == "a1"
    second = house.enter("a2", owner="a")
    house.enter("b1", owner="b")
    assert house.seated() == "b1"
    assert house.places.next() is None
    assert house.places.held_up_by_their_own() == [second]
    house.places.leave("a1")
    assert house.seated() == "a2"


async def test_positions_count_from_one_and_move_up() -> None:
    house = House()
    tickets = [house.enter(name) for name in "abc"]
    assert [house.places.position(each) for each in tickets] == [1, 2, 3]
    house.seated()
    assert [house.places.position(each) for each in tickets] == [None, 1, 2]


async def test_a_full_queue_turns_away_and_tells_when_to_come_again() -> None:
    house = House(queue=2)
    house.enter("has a place")
    house.seated()
    house.enter("a")
    house.enter("b")
    with pytest.raises(QueueFullError) as refused:
        house.enter("c")
    assert refused.value.extra["retry_after"] > 0


async def test_a_ticket_that_nobody_asks_about_loses_its_place() -> None:
    house = House()
    forgotten, wanted = house.enter("forgotten"), house.enter("wanted")
    house.now += PATIENCE_S
    house.places.asked(wanted)
    assert house.order() == ["wanted"]
    with pytest.raises(UnavailableError):
        forgotten.turn.result()


async def test_a_place_at_another_runner_takes_none_here() -> None:
    house = House()
    ticket = house.enter("a")
    house.places.grant(ticket, "other")
    assert (ticket.turn.result(), house.places.free) == ("other", 1)


async def test_who_comes_back_from_another_runner_waits_where_it_waited_before() -> None:
    house = House(places=0, queue=1)
    ticket = house.enter("first")
    house.places.grant(ticket, "runner-2")
    house.enter("second")
    house.places.again(ticket)
    assert house.places.position(ticket) == 1
    assert not ticket.turn.done()


STEPS = st.lists(st.tuples(st.sampled_from(["enter", "vip", "seat", "leave"]), st.integers(0, 5)), max_size=60)


@given(steps=STEPS, places=st.integers(1, 3), share=st.integers(0, 2))
async def test_whatever_happens_no_place_is_given_twice_and_no_share_exceeded(
    steps: list[tuple[str, int]], places: int, share: int
) -> None:
    house = House(places=places, queue=100, per_owner=share)
    seated: dict[str, str] = {}
    for number, (step, owner) in enumerate(steps):
        if step in ("enter", "vip"):
            house.enter(f"{owner}-{number}", owner=str(owner), vip=step == "vip")
        elif step == "seat" and house.places.free and house.places.next() is not None:
            name = house.seated()
            seated[name] = name.partition("-")[0]
        elif step == "leave" and seated:
            gone = sorted(seated)[owner % len(seated)]
            del seated[gone]
            house.places.leave(gone)
        assert len(seated) + house.places.free == places
        assert not share or max(Counter(seated.values()).values(), default=0) <= share
