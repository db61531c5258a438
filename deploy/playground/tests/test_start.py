import signal
from collections.abc import Callable

import httpx
from posada_playground.child import Playground

Start = Callable[..., Playground]
Visit = Callable[..., httpx.Client]


def test_it_takes_a_free_port_and_says_url_and_key(playground: Playground) -> None:
    assert playground.url.startswith("http://127.0.0.1:")
    assert len(playground.key) > 20
    assert httpx.get(f"{playground.url}/livez").json() == {"status": "ok"}


def test_a_given_control_key_is_used_and_never_printed(start: Start) -> None:
    playground = start(control_key="given")
    assert playground.key == "given"
    assert playground.control("GET", "/requests")["total"] == 0


def test_the_index_lists_the_sites(playground: Playground) -> None:
    assert '<a href="/social/">Carabook' in httpx.get(playground.url).text


def test_sigterm_ends_it_cleanly_even_with_a_connection_kept_alive(playground: Playground, visit: Visit) -> None:
    with visit("ana@example.test") as client:
        client.get("/social/")
        playground.process.send_signal(signal.SIGTERM)
        assert playground.process.wait(10) == 0
