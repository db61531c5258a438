"""`posada sessions import`: files of all kinds, with lines of all kinds."""

from __future__ import annotations

import json
from pathlib import Path

from .house import House
from .terminal import Shell

COOKIES = [{"name": "c_user", "value": "s3cret", "domain": ".facebook.com"}]
STATE = {"cookies": COOKIES, "origins": []}


def test_a_bad_line_stops_none_of_the_others(house: House, shell: Shell, tmp_path: Path) -> None:
    house.new_session("bea", "facebook")
    lines = [
        json.dumps({"owner": "ana", "platform": "facebook", "storage_state": STATE, "proxy_url": "http://p:1"}),
        "{ this is no json",
        json.dumps({"owner": "bea", "platform": "facebook", "cookies": COOKIES}),
        "",
        json.dumps({"platform": "facebook", "cookies": COOKIES}),
        json.dumps({"owner": "eva", "platform": "facebook", "cookies": COOKIES, "proxy": "http://p:1"}),
        json.dumps({"owner": "a\nb", "platform": "facebook", "cookies": COOKIES}),
        json.dumps({"owner": "leo", "cookies": COOKIES}),
        json.dumps(["no", "object"]),
    ]
    (tmp_path / "all.ndjson").write_text("\n".join(lines))
    ran = shell.run("sessions", "import", "all.ndjson", "--json")
    outcomes = {line["where"]: line["outcome"] for line in ran.json["lines"]}
    assert outcomes == {
        "all.ndjson:1": "imported",
        "all.ndjson:2": "refused",
        "all.ndjson:3": "exists",
        **{f"all.ndjson:{number}": "refused" for number in range(5, 10)},
    }
    assert (ran.code, ran.json["imported"], ran.json["exists"], ran.json["refused"]) == (1, 1, 1, 6)
    assert "members that mean nothing here: proxy" in ran.json["lines"][4]["detail"]
    assert "s3cret" not in ran.out + ran.err


def test_all_went_in_ends_with_0(house: House, shell: Shell, tmp_path: Path) -> None:
    entries = [{"owner": f"o{number}", "cookies": COOKIES} for number in range(3)]
    (tmp_path / "all.json").write_text(json.dumps(entries))
    ran = shell.run("sessions", "import", "all.json", "--platform", "facebook")
    assert ran.code == 0
    assert "3 imported, 0 exists, 0 refused." in ran.err
    assert "all.json#3" in ran.out


def test_the_exports_of_older_systems_are_understood(house: House, shell: Shell, tmp_path: Path) -> None:
    old = {"id_sesion": "7", "id_usuario": "ana", "plataforma": "facebook", "cookies": COOKIES, "estado": "activa"}
    (tmp_path / "old.json").write_text(json.dumps([old]))
    assert shell.run("sessions", "import", "old.json").code == 0
    assert [(s["owner"], s["platform"]) for s in house.sessions.values()] == [("ana", "facebook")]


def test_a_table_holds_json_in_its_cells(house: House, shell: Shell, tmp_path: Path) -> None:
    cell = json.dumps(COOKIES).replace('"', '""')
    table = (
        f'owner,platform,cookies,proxy_url\nana,facebook,"{cell}",http://p:1\neva,facebook,nonsense,\nleo,facebook\n'
    )
    (tmp_path / "all.csv").write_text("\ufeff" + table)
    ran = shell.run("sessions", "import", "all.csv", "--json")
    assert [line["outcome"] for line in ran.json["lines"]] == ["imported", "refused", "refused"]
    [asked] = house.asked("POST", "/v1/sessions")
    assert asked.body["storage_state"] == COOKIES
    assert asked.body["proxy_url"] == "http://p:1"


def test_a_directory_of_storage_states_takes_owners_from_names(house: House, shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "logins"
    folder.mkdir()
    (folder / "ana.json").write_text(json.dumps(STATE))
    (folder / "bea.json").write_text(json.dumps(COOKIES))
    (folder / "README.txt").write_text("not a login")
    (folder / "zoe.json").write_bytes(b"\xff\xfe")
    ran = shell.run("sessions", "import", "logins", "--platform", "facebook", "--owner-from-name", "--json")
    assert {line["where"]: line["outcome"] for line in ran.json["lines"]} == {
        "ana.json": "imported",
        "bea.json": "imported",
        "zoe.json": "refused",
    }
    assert {session["owner"] for session in house.sessions.values()} == {"ana", "bea"}


def test_a_wrong_key_is_said_once(house: House, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text(json.dumps([{"owner": "a", "platform": "facebook", "cookies": COOKIES}] * 3))
    assert shell.run("sessions", "import", "all.json", "--key", "wrong").code == 4
    assert len(house.seen) == 1


def test_a_file_that_is_not_there_is_a_wrong_command_line(shell: Shell) -> None:
    assert shell.run("sessions", "import", "nothing.json").code == 2
