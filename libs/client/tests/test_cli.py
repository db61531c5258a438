"""The `posada` process: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from .house import House
from .terminal import Shell

STATE = {"cookies": [{"name": "c_user", "value": "s3cret", "domain": ".facebook.com"}], "origins": []}


def test_json_prints_exactly_one_document_wherever_the_option_stands(house: House, shell: Shell) -> None:
    house.new_session("ana", "facebook")
    front, back = shell.run("--json", "sessions", "ls"), shell.run("sessions", "ls", "--json")
    assert front.json == back.json
    assert front.json[0]["owner"] == "ana"
    assert (front.code, front.err) == (0, "")


def test_a_session_is_created_shown_and_listed(house: House, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "ana.json").write_text(json.dumps(STATE))
    made = shell.run(
        "sessions", "create", "ana", "facebook", "--storage-state", "ana.json", "--label", "team=a", "--json"
    )
    assert made.json["has_credentials"]
    assert house.seen[-1].body["labels"] == {"team": "a"}
    shown = shell.run("sessions", "show", made.json["id"])
    assert "facebook" in shown.out
    assert "s3cret" not in shown.out + made.out
    assert made.json["id"] in shell.run("sessions", "ls", "--owner", "ana").out


def test_a_login_may_come_from_stdin(house: House, shell: Shell) -> None:
    made = shell.run("sessions", "create", "ana", "facebook", "--storage-state", "-", given=json.dumps(STATE))
    assert made.code == 0
    assert house.seen[-1].body["storage_state"] == STATE


def test_a_list_says_when_there_is_more_and_all_shows_it(house: House, shell: Shell) -> None:
    for number in range(4):
        house.new_session(f"owner{number}", "facebook")
    few = shell.run("sessions", "ls", "--limit", "2")
    assert ("owner1" in few.out, "owner2" in few.out, "--all" in few.err) == (True, False, True)
    assert "owner3" in shell.run("sessions", "ls", "--all").out


def test_validate_ends_with_1_unless_the_login_is_valid(house: House, shell: Shell) -> None:
    session = house.new_session("ana", "facebook")["id"]
    assert shell.run("sessions", "validate", session).code == 0
    house.verdict = "banned"
    found = shell.run("sessions", "validate", session, "--json")
    assert (found.code, found.json["verdict"]) == (1, "banned")


def test_rm_asks_first_and_cannot_ask_in_a_pipe(house: House, shell: Shell) -> None:
    session = house.new_session("ana", "facebook")["id"]
    assert shell.run("sessions", "rm", session).code == 2
    assert house.sessions[session]["status"] == "created"
    assert shell.run("sessions", "rm", session, "--yes").code == 0
    assert house.sessions[session]["status"] == "erased"


def test_a_job_ends_with_the_head_of_its_result_as_a_table(house: House, shell: Shell) -> None:
    house.records = [{"name": f"Ana {number}", "url": f"/ana{number}"} for number in range(12)]
    house.on_job = house.work
    session = house.new_session("ana", "facebook")["id"]
    ran = shell.run("jobs", "run", "--session", session, "friends", "/ana", "--param", "limit=50", "--param", "q=x")
    assert ran.code == 0
    assert ("Ana 9" in ran.out, "Ana 10" in ran.out, "of 12" in ran.err) == (True, False, True)
    [asked] = house.asked("POST", "/v1/jobs")
    assert asked.body["params"] == {"limit": 50, "q": "x"}


def test_a_failed_job_ends_with_1_and_says_why(house: House, shell: Shell) -> None:
    house.on_job = lambda job: house.work(job, end="failed", code="login_expired", detail="It expired.")
    house.new_session("ana", "facebook")
    ran = shell.run("jobs", "run", "--owner", "ana", "--platform", "facebook", "friends", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "login_expired")


def test_whoever_stops_waiting_is_told_how_to_go_on(house: House, shell: Shell) -> None:
    session = house.new_session("ana", "facebook")["id"]
    ran = shell.run("jobs", "run", "--session", session, "friends", "--timeout", "0.3")
    [job] = house.jobs
    assert ran.code == 1
    assert f"posada jobs wait {job}" in ran.err


def test_an_interrupt_leaves_the_job_running(house: House, shell: Shell) -> None:
    session = house.new_session("ana", "facebook")["id"]
    process = shell.start("jobs", "run", "--session", session, "friends")
    deadline = time.monotonic() + 30
    while not any(asked.path.endswith("/events") for asked in house.seen) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "posada jobs wait" in err
    assert next(iter(house.jobs.values()))["state"] == "queued"


@pytest.mark.parametrize("columns", [60, 100])
def test_on_a_terminal_there_is_a_live_bar_and_a_table_that_fits(house: House, shell: Shell, columns: int) -> None:
    house.records = [{"name": "Ñoño", "url": "/x", "about": "long " * 30}]
    house.on_job = lambda job: house.work(job, pause=0.15)
    session = house.new_session("ana", "facebook")["id"]
    ran = shell.on_terminal("jobs", "run", "--session", session, "friends", columns=columns)
    assert ran.code == 0
    assert "friends running" in ran.plain
    assert "━" in ran.out
    assert "20/50 records" in ran.plain
    assert "Ñoño" in ran.plain
    assert "\x1b[" in ran.out
    table = ran.plain[ran.plain.index("Ñoño") - 200 :].splitlines()
    assert all(len(line) <= columns for line in table)


def test_a_narrow_terminal_drops_columns_and_a_pipe_none(house: House, shell: Shell) -> None:
    house.new_session("ana", "facebook")
    house.new_job(next(iter(house.sessions)), target="/ana")
    assert next(iter(house.jobs)) in shell.on_terminal("jobs", "ls", columns=80).plain  # ids stay in one piece
    narrow, piped = shell.on_terminal("sessions", "ls", columns=72), shell.run("sessions", "ls")
    assert ("last activity" in narrow.plain, "status" in narrow.plain) == (False, True)
    assert "last activity" in piped.out
    assert "\x1b" not in piped.out


def test_what_others_wrote_cannot_move_the_cursor(house: House, shell: Shell) -> None:
    house.new_session("\x1b[2Jgone[red]", "facebook")
    shown = shell.run("sessions", "ls")
    assert "\x1b" not in shown.out
    assert "gone[red]" in shown.out


def test_a_result_is_written_whole_or_not_at_all(house: House, shell: Shell, tmp_path: Path) -> None:
    house.records = [{"name": "Ana", "age": 3}]
    job = house.new_job(house.new_session("ana", "facebook")["id"])["id"]
    assert shell.run("jobs", "result", job, "--format", "csv", "-o", "out.csv").code == 6
    assert not list(tmp_path.glob("*out.csv*"))
    house.finish(job)
    assert shell.run("jobs", "result", job, "--format", "csv", "-o", "out.csv").code == 0
    assert (tmp_path / "out.csv").read_text() == "name,age\nAna,3\n"
    assert json.loads(shell.run("jobs", "result", job, "--format", "ndjson").out) == house.records[0]
    assert shell.run("jobs", "result", job).json == {"items": house.records}


def test_followed_events_are_one_document_a_line(house: House, shell: Shell) -> None:
    session = house.new_session("ana", "facebook")["id"]
    process = shell.start("--json", "events", "--session", session, "--follow")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    house.append("session.used.v1", session)
    second = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert (first["type"], second["type"], second["version"]) == ("session.created.v1", "session.used.v1", 2)


def test_events_are_read_after_a_position_and_as_of_one(house: House, shell: Shell) -> None:
    session = house.new_session("ana", "facebook")["id"]
    for _ in range(3):
        house.append("session.used.v1", session)
    assert len(shell.run("events", "--after", "2").out.splitlines()) == 2
    past = shell.run("events", "--session", session, "--as-of", "2", "--json")
    assert (len(past.json["items"]), past.json["state"]["owner"]) == (2, "ana")
    assert shell.run("events", "--as-of", "2").code == 2


def test_replay_and_audit_end_with_1_when_something_differs(house: House, shell: Shell) -> None:
    assert shell.run("replay").code == 0
    assert shell.run("audit", "verify").code == 0
    house.tables_equal = False
    house.faults = [{"sequence": 7, "subject": "evt.default.session.x.used", "what": "version 3 follows 1"}]
    assert shell.run("replay", "--from-scratch").code == 1
    audit = shell.run("audit", "verify")
    assert audit.code == 1
    assert "version 3 follows 1" in audit.out


def test_keys_are_issued_listed_and_revoked(house: House, shell: Shell) -> None:
    issued = shell.run("keys", "issue", "--role", "viewer", "--label", "wall", "--json").json
    assert issued["key"] == "psd_k0_secret"
    assert shell.run("keys", "revoke", issued["id"]).code == 0
    listed = shell.run("keys", "ls")
    assert "revoked" in listed.out
    assert "secret" not in listed.out


def test_health_and_stats(house: House, shell: Shell) -> None:
    assert shell.run("stats", "--json").json["max_browsers"] == 10
    assert shell.run("health").code == 0
    house.health = "error"
    sick = shell.run("health")
    assert (sick.code, "it is error" in sick.out) == (1, True)


def test_exit_codes_say_what_happened(house: House, shell: Shell, lonely: Shell) -> None:
    session = house.new_session("ana", "facebook")["id"]
    assert shell.run("sessions", "nonsense").code == 2
    assert shell.run("jobs", "run", "friends").code == 2
    assert shell.run("sessions", "ls", "--url", "localhost:1").code == 2
    assert lonely.run("sessions", "ls").code == 3
    assert shell.run("sessions", "ls", "--url", "http://127.0.0.1:1").code == 3
    assert shell.run("sessions", "ls", "--key", "wrong").code == 4
    assert shell.run("sessions", "show", "nobody").code == 5
    assert shell.run("sessions", "create", "ana", "facebook").code == 6
    assert shell.run("sessions", "create", "a\nb", "facebook").code == 7
    assert shell.run("sessions", "login", session, "-", given="no json").code == 7
    house.refuse_next = 10
    assert shell.run("stats").code == 8


def test_an_error_is_a_message_on_stderr_and_with_json_a_document_on_stdout(shell: Shell) -> None:
    plain = shell.run("sessions", "show", "nobody")
    assert (plain.out, "not_found" in plain.err) == ("", True)
    assert shell.run("sessions", "show", "nobody", "--json").json["error"]["code"] == "not_found"
    assert "one line is wanted" in shell.run("sessions", "create", "a\nb", "facebook").err


def test_the_selectors_of_a_platform_are_checked_by_a_job(house: House, shell: Shell) -> None:
    house.on_job = lambda job: house.work(job, steps=1)
    house.new_session("ana", "facebook")
    well = shell.run("doctor", "--platform", "facebook", "--owner", "ana")
    assert (well.code, "[role=feed]" in well.out) == (0, True)
    house.selectors_ok = False
    changed = shell.run("doctor", "--platform", "facebook", "--owner", "ana", "--json")
    assert (changed.code, changed.json["selectors"][0]["hits"]) == (1, 0)
    assert house.asked("POST", "/v1/jobs")[0].body["kind"] == "doctor"


def test_help_lists_the_exit_codes(lonely: Shell) -> None:
    shown = lonely.run("--help")
    assert "Exit codes" in shown.out
    assert "Posada is not running" in shown.out
