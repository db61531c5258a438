"""The forms a login may come in, and the one it leaves in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from posada_contracts.session import StoreCredentials
from posada_gateway.credentials import Login, storage_state
from pydantic import TypeAdapter, ValidationError

read = TypeAdapter(Login).validate_python


def cookie(**members: Any) -> dict[str, Any]:
    return {"name": "c_user", "value": "1", "domain": ".example.com", **members}


def normalised(login: Any) -> dict[str, Any]:
    return storage_state(read(login))


def test_playwrights_own_form_stays_as_it_is() -> None:
    state = {
        "cookies": [cookie(path="/a", expires=1893456000.5, httpOnly=True, secure=True, sameSite="None")],
        "origins": [
            {
                "origin": "https://example.com",
                "localStorage": [{"name": "token", "value": "x\u0000y"}],
                "indexedDB": [{"name": "db", "version": 1, "stores": [{"records": [{"value": {"a": [1, None]}}]}]}],
            }
        ],
    }
    assert normalised(state) == state


def test_a_cookie_list_becomes_a_storage_state() -> None:
    assert normalised([cookie()]) == {
        "cookies": [cookie(path="/", expires=-1, httpOnly=False, secure=False, sameSite="Lax")],
        "origins": [],
    }


@pytest.mark.parametrize(
    ("exported", "playwrights"),
    [("no_restriction", "None"), ("unspecified", "Lax"), (None, "Lax"), ("lax", "Lax"), ("Strict", "Strict")],
)
def test_what_a_browser_extension_exports_is_taken(exported: str | None, playwrights: str) -> None:
    export = cookie(sameSite=exported, expirationDate=1893456000.1, hostOnly=False, session=False, storeId="0", id=1)
    (found,) = normalised([export])["cookies"]
    assert (found["sameSite"], found["expires"]) == (playwrights, 1893456000.1)
    assert set(found) == {"name", "value", "domain", "path", "expires", "httpOnly", "secure", "sameSite"}


def test_a_url_says_domain_path_and_security() -> None:
    (found,) = normalised([{"name": "a", "value": "b", "url": "https://www.example.com/app/login?x=1"}])["cookies"]
    assert (found["domain"], found["path"], found["secure"]) == ("www.example.com", "/app/", True)


def test_an_expiry_beyond_all_calendars_is_brought_back_to_one_that_browsers_take() -> None:
    (found,) = normalised([cookie(expires=9e15)])["cookies"]
    assert found["expires"] == 253402300799


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"name": "a", "value": "b"}, "domain"),
        (cookie(domain="no host"), "domain"),
        (cookie(domain="a/../b"), "domain"),
        (cookie(name=""), "name"),
        (cookie(name="a\r\nSet-Cookie: b"), "name"),
        (cookie(value="a;b"), "value"),
        (cookie(value="\ud800"), "value"),
        (cookie(path="relative"), "path"),
        (cookie(expires="tomorrow"), "expires"),
        (cookie(expires=-5), "expires"),
        (cookie(expires=float("nan")), "expires"),
        (cookie(sameSite="Sometimes"), "sameSite"),
        (cookie(secure="yes"), "secure"),
        ({"name": "a", "value": "b", "url": "ftp://host/"}, "url"),
        ({"name": "a", "value": "b", "url": "https://[::1/"}, "url"),
    ],
)
def test_a_wrong_cookie_is_told_by_its_index(wrong: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read([cookie(), cookie(), cookie(), wrong])
    assert {error["loc"] for error in caught.value.errors()} == {("cookies", 3, place)}


@pytest.mark.parametrize(
    "wrong", [{"cookies": [], "more": 1}, {"origins": []}, "x", None, 3, {"cookies": [], "origins": [{"origin": "x"}]}]
)
def test_anything_else_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        read(wrong)


async def test_a_stored_login_arrives_normalised_and_is_not_in_the_answer(
    admin: Any, registry: Any, new_session: dict[str, Any]
) -> None:
    made = (await admin.post("/v1/sessions", json=new_session)).json()
    answer = await admin.put(f"/v1/sessions/{made['id']}/credentials", json=[cookie(value="s3cr3t")])
    assert answer.status_code == 200
    assert "s3cr3t" not in answer.text
    command = registry.heard[-1]
    assert isinstance(command, StoreCredentials)
    assert json.loads(json.dumps(command.storage_state)) == normalised([cookie(value="s3cr3t")])
    assert command.actor.startswith("key:")


async def test_a_wrong_cookie_is_told_by_its_index_over_http(admin: Any, new_session: dict[str, Any]) -> None:
    made = (await admin.post("/v1/sessions", json=new_session)).json()
    answer = await admin.put(f"/v1/sessions/{made['id']}/credentials", json=[cookie(), cookie(domain="s3c r3t")])
    assert [error["field"] for error in answer.json()["errors"]] == ["cookies[1].domain"]
    assert "s3c r3t" not in answer.text
