"""`posada browser`, `tokens`, `link`, `stats` and `jobs input`, as people and programs run them."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import pytest

from .doors import PDF, PNG
from .house import House
from .terminal import Shell

PASSWORD = "clave-marcos"
HALF_BLOCKS = ("▀", "▄", "█")


@pytest.fixture
def session(house: House) -> str:
    """A session's id."""
    return str(house.new_session("ana", "facebook")["id"])


def test_an_open_browser_is_told_of_with_a_line_for_every_door(house: House, shell: Shell, session: str) -> None:
    ran = shell.run("browser", "open", session)
    assert ran.code == 0
    assert f"ws://{house.url.removeprefix('http://')}/v1/sessions/{session}/cdp\n" in ran.out
    assert "chromium.connect_over_cdp(cdp_url" in ran.out
    assert "webdriver.Remote(" in ran.out
    assert f"/v1/sessions/{session}/live" in ran.out
    assert shell.run("browser", "open", session, "--json").json["state"] == "open"
    assert "closed" in shell.run("browser", "close", session).err
    assert shell.run("browser", "close", session, "--json").json == {"session_id": session, "closed": False}


def test_the_place_in_the_queue_is_shown_while_it_changes(house: House, shell: Shell, session: str) -> None:
    house.positions = [3, 3, 2]
    piped = shell.run("browser", "open", session)
    assert piped.code == 0
    assert [line for line in piped.err.splitlines() if "position" in line] == [
        f"Waiting for a browser: position {position} in the queue …" for position in (3, 2)
    ]
    house.positions = [2, 1]
    shown = shell.on_terminal("browser", "open", session)
    assert (shown.code, "position 2" in shown.plain, "position 1" in shown.plain) == (0, True, True)


def test_who_stops_waiting_for_a_browser_gets_1_and_the_position(house: House, shell: Shell, session: str) -> None:
    house.positions = [4] * 100
    ran = shell.run("browser", "open", session, "--wait", "0.3", "--json")
    assert (ran.code, ran.json["state"], ran.json["position"]) == (1, "queued", 4)
    assert f"posada browser open {session}" in ran.err


def test_a_full_queue_ends_with_8_and_says_when_to_come_again(house: House, shell: Shell, session: str) -> None:
    house.queue_full = True
    ran = shell.run("browser", "open", session)
    assert (ran.code, "Try again in 7 s." in ran.err) == (8, True)


def test_pictures_go_into_files_and_pipes_but_not_onto_terminals(
    house: House, shell: Shell, session: str, tmp_path: Path
) -> None:
    assert shell.run("browser", "screenshot", session, "-o", "a.png", "--full-page").code == 0
    assert (tmp_path / "a.png").read_bytes() == PNG + b"true"
    assert shell.run("browser", "pdf", session, "-o", "a.pdf", "--json").json == {"file": "a.pdf"}
    assert (tmp_path / "a.pdf").read_bytes() == PDF
    assert shell.run("browser", "pdf", session).out.encode() == PDF
    assert shell.on_terminal("browser", "pdf", session).code == 2
    assert shell.run("browser", "pdf", session, "-o", "nowhere/a.pdf").code == 7


def test_downloads_are_listed_and_fetched(house: House, shell: Shell, session: str, tmp_path: Path) -> None:
    assert "Nothing was downloaded" in shell.run("browser", "artifacts", "ls", session).err
    house.downloads = {"a1": b"name\nana\n"}
    assert "informe.csv" in shell.run("browser", "artifacts", "ls", session).out
    assert shell.run("browser", "artifacts", "get", session, "a1", "-o", "got.csv").code == 0
    assert (tmp_path / "got.csv").read_bytes() == b"name\nana\n"
    assert shell.run("browser", "artifacts", "get", session, "a2", "-o", "none.csv").code == 5
    assert not list(tmp_path.glob("*none.csv*"))


def test_the_live_view_s_address_is_alone_on_stdout_and_holds_no_key(house: House, shell: Shell, session: str) -> None:
    assert shell.run("browser", "live", session).out == f"{house.url}/v1/sessions/{session}/live\n"
    assert session not in house.open
    assert shell.run("browser", "live", "nobody").code == 5


def test_password_and_code_are_asked_for_and_never_shown(house: House, shell: Shell) -> None:
    house.on_job, house.code = house.need, "123456"
    ran = shell.on_terminal(
        *("tokens", "fetch", "ana", "hub", "--username", "marcos"),
        typing=[("Password: ", f"{PASSWORD}\n"), ("Code: ", "999999\n"), ("Code: ", "123456\n")],
    )
    assert ran.code == 0, ran.plain
    assert "The code was sent by SMS." in ran.plain
    assert "That code was wrong." in ran.plain
    assert "posada tokens get ana hub --value" in ran.plain
    assert not [secret for secret in (PASSWORD, "123456", "999999") if secret in ran.out]
    [asked] = house.asked("POST", "/v1/tokens")
    assert (asked.body["username"], asked.body["password"]) == ("marcos", PASSWORD)


def test_a_password_may_come_from_stdin_and_never_as_an_argument(house: House, shell: Shell) -> None:
    fetch = ("tokens", "fetch", "ana", "hub", "--username", "lucia")
    assert shell.run(*fetch, "--password", PASSWORD).code == 2
    refused = shell.run(*fetch, given=f"{PASSWORD}\n")
    assert (refused.code, "--password-stdin" in refused.err) == (2, True)
    assert house.asked("POST", "/v1/tokens") == []
    house.on_job = lambda job: house.work(job, steps=1)
    ran = shell.run(*fetch, "--password-stdin", "--with-totp", "--json", given=f"{PASSWORD}\nJBSWY3DPEHPK3PXP\n")
    assert (ran.code, ran.json["state"]) == (0, "succeeded")
    [asked] = house.asked("POST", "/v1/tokens")
    assert (asked.body["password"], asked.body["totp_secret"]) == (PASSWORD, "JBSWY3DPEHPK3PXP")


def test_where_nobody_can_be_asked_it_is_said_how_to_give_the_code(house: House, shell: Shell) -> None:
    house.on_job, house.code = house.need, "123456"
    fetch = ("tokens", "fetch", "ana", "hub", "--username", "marcos", "--password-stdin")
    waiting = shell.run(*fetch, "--timeout", "0.5", given=f"{PASSWORD}\n")
    [job] = house.jobs
    assert waiting.code == 1
    assert f"posada jobs input {job} mfa_code" in waiting.err
    busy = shell.run(*fetch, given=f"{PASSWORD}\n")
    assert (busy.code, f"posada jobs wait {job}" in busy.err) == (6, True)
    assert "mfa_code" in shell.run("jobs", "show", job).out
    assert shell.run("jobs", "input", job, given="").code == 2
    assert shell.run("jobs", "input", job, "other=1").code == 6
    given = shell.run("jobs", "input", job, given="123456\n")
    assert (given.code, "123456" in given.out + given.err) == (0, False)
    assert shell.run("jobs", "input", job).code == 6


def test_a_job_s_input_is_an_argument_or_typed(house: House, shell: Shell, session: str) -> None:
    house.on_job, house.code = house.need, "123456"
    first, second = (house.new_job(session, "token")["id"] for _ in range(2))
    assert shell.run("jobs", "input", first, "mfa_code=123456", "--json").json["state"] == "succeeded"
    typed = shell.on_terminal("jobs", "input", second, "mfa_code", typing=[("Code: ", "123456\n")])
    assert (typed.code, "123456" in typed.out) == (0, False)
    assert house.jobs[second]["state"] == "succeeded"


def test_a_token_is_shown_only_when_asked_for_and_alone_on_stdout(house: House, shell: Shell, session: str) -> None:
    assert shell.run("tokens", "get", "bruno", "facebook").code == 5
    assert shell.run("tokens", "get", "ana", "facebook").code == 1
    assert shell.run("tokens", "get", "ana", "facebook", "--value").code == 6
    house.tokens[session] = "eyJ.t0ken.x"
    status = shell.run("tokens", "get", "ana", "facebook")
    assert (status.code, "valid" in status.out, "eyJ" in status.out) == (0, True, False)
    value = shell.run("tokens", "get", "ana", "facebook", "--value")
    assert (value.out, "on record" in value.err) == ("eyJ.t0ken.x\n", True)
    assert shell.run("tokens", "get", "ana", "facebook", "--value", "--json").json["token"] == "eyJ.t0ken.x"


def test_the_code_of_a_link_is_drawn_anew_until_it_is_scanned(house: House, shell: Shell, session: str) -> None:
    house.on_link = lambda id_: rotate(house, id_)
    ran = shell.on_terminal("link", "connect", session)
    assert ran.code == 0, ran.plain
    assert all(block in ran.out for block in HALF_BLOCKS)
    assert "connected" in ran.plain


def test_a_link_s_codes_are_documents_for_programs(house: House, shell: Shell, session: str) -> None:
    house.on_link = lambda id_: rotate(house, id_)
    ran = shell.run("link", "connect", session, "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line.get("qr") for line in lines] == ["code 0", "code 1", None]
    assert lines[-1]["state"] == "connected"


def test_a_link_that_fails_ends_with_1_and_says_why(house: House, shell: Shell, session: str) -> None:
    house.on_link = lambda id_: house.link(id_, "failed", detail="Nobody scanned the code.")
    ran = shell.run("link", "connect", session)
    assert (ran.code, "Nobody scanned the code." in ran.out) == (1, True)


def test_an_interrupt_leaves_the_link_waiting(house: House, shell: Shell, session: str) -> None:
    house.on_link = lambda id_: house.link(id_, "qr", "code")
    process = shell.start("link", "connect", session)
    until_drawn(house, session, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, f"posada link connect {session}" in err) == (130, True)
    assert "█" in out
    assert house.links[session]["state"] == "qr"
    assert not [asked for asked in house.seen if asked.method == "DELETE"]


def test_a_link_is_shown_as_a_drawing_a_picture_and_a_document_and_cleaned(
    house: House, shell: Shell, session: str, tmp_path: Path
) -> None:
    assert "none" in shell.run("link", "show", session).out
    house.link(session, "qr", "code")
    drawn = shell.run("link", "show", session)
    assert all(block in drawn.out for block in HALF_BLOCKS)
    assert shell.run("link", "show", session, "--json").json["qr"] == "code"
    assert shell.run("link", "show", session, "-o", "code.png").code == 0
    assert (tmp_path / "code.png").read_bytes() == PNG
    assert shell.run("link", "clean", session, "--json").json["ok"]


def test_a_terminal_too_small_for_the_code_is_said_so(house: House, shell: Shell, session: str) -> None:
    house.link(session, "qr", "x" * 200)
    assert "enlarge the terminal" in shell.on_terminal("link", "show", session, columns=50).plain
    assert "enlarge the terminal" not in shell.on_terminal("link", "show", session, columns=80).plain


def test_stats_show_every_runner_and_what_each_browser_takes(house: House, shell: Shell, session: str) -> None:
    use = {"session_id": session, "memory_bytes": 412 << 20, "cpu_seconds": 12.34, "processes": 9, "clients": 1}
    house.runners = [{"runner": "browser-runner-1", "max_browsers": 4, "browsers": [use], "queued": 2, "warm": 1}]
    shown = shell.run("stats").out
    assert all(each in shown for each in ("browser-runner-1", session, "412 MiB", "12.3 s", "9"))
    assert shell.run("stats", "--json").json["runners"][0]["browsers"][0]["processes"] == 9


def test_a_key_of_a_new_tenant_is_issued_and_listed_there(house: House, shell: Shell) -> None:
    issued = shell.run("keys", "issue", "--role", "admin", "--tenant", "acme")
    assert "acme" in issued.out
    assert shell.run("keys", "ls", "--json").json == []
    assert len(shell.run("keys", "ls", "--tenant", "acme", "--json").json) == 1


def rotate(house: House, session: str) -> None:
    """Two codes, each for as long as it takes to be drawn, and then a phone that scans."""
    house.link(session, "qr", "code 0")

    def turn() -> None:
        until_drawn(house, session, 1)
        house.link(session, "qr", "code 1")
        until_drawn(house, session, len(house.asked("GET", f"/v1/sessions/{session}/link/qr")) + 1)
        house.link(session, "connected")

    threading.Thread(target=turn, daemon=True).start()


def until_drawn(house: House, session: str, times: int) -> None:
    """Wait until so many codes were fetched and the next look at the link shows that the last one is done with."""
    link = f"/v1/sessions/{session}/link"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        looks = [asked.path for asked in house.seen if asked.method == "GET"]
        if looks.count(f"{link}/qr") >= times and looks[-1] == link:
            return
        time.sleep(0.02)
