"""What may be said of a link, and by whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from posada_contracts import link as said
from posada_scraper.links.domain import LOGGED_OUT, Link

BEGAN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER = BEGAN + timedelta(seconds=9)
ME, OTHER = "host-1.7", "host-2.9"


def a_link() -> Link:
    return Link.begin("s1", ME, BEGAN)


def connected() -> Link:
    link = a_link()
    link.show_qr(ME, LATER)
    link.connect(ME, LATER)
    return link


def events(link: Link) -> list[str]:
    return [type(event).__name__ for event in link.collect_events()]


def test_a_link_goes_from_the_page_over_the_code_to_the_chats() -> None:
    link = a_link()
    assert (link.state, link.live, link.changed_at) == ("initializing", True, BEGAN)
    link.show_qr(ME, LATER)
    assert (link.state, link.changed_at) == ("qr", LATER)
    link.connect(ME, LATER)
    assert (link.state, link.linked) == ("connected", True)
    assert events(link) == ["LinkBegun", "LinkShowsQr", "LinkConnected"]


def test_all_the_codes_that_it_rotates_through_are_one_event() -> None:
    link = a_link()
    for _ in range(5):
        link.show_qr(ME, LATER)
    assert events(link) == ["LinkBegun", "LinkShowsQr"]


def test_to_be_connected_still_is_no_news() -> None:
    link = connected()
    link.collect_events()
    link.connect(ME, LATER)
    assert not events(link)


def test_a_code_where_chats_were_means_that_it_was_logged_out() -> None:
    link = connected()
    link.show_qr(ME, LATER)
    assert (link.state, link.detail, link.linked, link.live) == ("disconnected", LOGGED_OUT, False, False)


def test_a_browser_that_died_does_not_make_it_forget_that_it_was_connected() -> None:
    link = connected()
    link.reopen(ME, LATER)
    assert (link.state, link.linked) == ("initializing", True)
    link.connect(ME, LATER)
    assert link.state == "connected"
    link.reopen(ME, LATER)
    link.show_qr(ME, LATER)
    assert link.state == "disconnected"


def test_what_was_never_connected_fails_and_what_was_is_disconnected() -> None:
    link = a_link()
    link.end("not_scanned", "nobody scanned it", LATER)
    assert (link.state, link.detail) == ("failed", "nobody scanned it")
    link = connected()
    link.end("closed", "it was closed", LATER)
    assert (link.state, link.detail) == ("disconnected", "it was closed")


def test_who_was_replaced_is_not_heard_any_more() -> None:
    link = connected()
    link.take_over(OTHER, LATER)
    link.collect_events()
    for say in (link.connect, link.show_qr, link.reopen):
        say(ME, LATER)
    assert not events(link)
    assert (link.is_watched_by(ME), link.is_watched_by(OTHER)) == (False, True)


def test_what_has_ended_takes_nothing_until_it_is_taken_over() -> None:
    link = a_link()
    link.end("cleaned", "it was cleaned", LATER)
    link.collect_events()
    link.connect(ME, LATER)
    link.show_qr(ME, LATER)
    link.end("closed", "again", LATER)
    assert not events(link)
    link.take_over(ME, LATER)
    link.show_qr(ME, LATER)
    assert (link.state, link.detail) == ("qr", "")


def test_the_same_watch_takes_over_once() -> None:
    link = a_link()
    link.take_over(ME, LATER)
    assert events(link) == ["LinkBegun"]


def test_no_event_has_a_place_for_what_the_code_says() -> None:
    fields = {name for event in said.LinkEvent.__subclasses__() for name in event.__annotations__}
    assert fields == {"originator_topic", "worker", "detail", "code"}
