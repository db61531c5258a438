import re
from collections.abc import Callable

import httpx
import pytest
from posada_playground.child import Playground
from posada_playground.settings import Settings

Visit = Callable[..., httpx.Client]
PASSWORD = Settings().password


def fill(client: httpx.Client, email: str, password: str = PASSWORD, **other: str) -> httpx.Response:
    form = client.get("/social/login").text
    lsd = re.search(r'name="lsd" value="(\w+)"', form)
    assert lsd
    fields = {"email": email, "pass": password, "lsd": lsd[1], **other}
    return client.post("/social/login", data=fields)


def set_cookies(answer: httpx.Response) -> dict[str, str]:
    return {line.split("=")[0]: line for line in answer.headers.get_list("set-cookie")}


def test_a_login_sets_the_four_cookies_and_leads_home(visit: Visit) -> None:
    with visit() as client:
        answer = fill(client, "ana@example.test")
        assert (answer.status_code, answer.headers["location"]) == (302, "/social/")
        cookies = set_cookies(answer)
        home = client.get("/social/")
    assert set(cookies) == {"c_user", "xs", "datr", "presence"}
    assert "HttpOnly" in cookies["xs"]
    assert "HttpOnly" in cookies["datr"]
    assert "HttpOnly" not in cookies["c_user"]
    assert "Max-Age" not in cookies["presence"]
    assert all("SameSite=lax" in line and "Domain" not in line for line in cookies.values())
    assert home.status_code == 200
    assert 'role="feed"' in home.text
    assert 'aria-label="Tu perfil"' in home.text
    assert "no-store" in home.headers["cache-control"]


@pytest.mark.parametrize(
    ("email", "password", "complaint"),
    [("ana@example.test", "wrong", "contraseña"), ("nobody@example.test", PASSWORD, "correo electrónico")],
)
def test_a_wrong_login_gets_the_form_back_with_an_error(
    visit: Visit, email: str, password: str, complaint: str
) -> None:
    with visit() as client:
        answer = fill(client, email, password)
    assert answer.status_code == 200
    error = re.search(r'id="error_box" role="alert">(.*?)<', answer.text)
    assert error
    assert complaint in error[1]
    assert "xs" not in set_cookies(answer)


def test_a_form_without_its_token_is_refused(visit: Visit) -> None:
    with visit() as client:
        assert fill(client, "ana@example.test", lsd="forged").status_code == 400


def test_the_login_leads_on_to_where_one_wanted_to_go_but_never_off_the_site(visit: Visit) -> None:
    with visit() as client:
        refused = client.get("/social/profile.php?id=1&sk=friends")
        assert refused.headers["location"] == "/social/login/?next=%2Fsocial%2Fprofile.php%3Fid%3D1%26sk%3Dfriends"
        wanted = fill(client, "ana@example.test", next="/social/me").headers["location"]
        foreign = fill(client, "ana@example.test", next="https://example.test/").headers["location"]
    assert (wanted, foreign) == ("/social/me", "/social/")


@pytest.mark.parametrize("path", ["/social/", "/social/me", "/social/lucia.fernandez", "/social/storage-check"])
def test_every_page_leads_strangers_to_the_login(visit: Visit, path: str) -> None:
    with visit() as client:
        answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/social/login/?next=")


def test_a_logout_ends_the_login_on_the_server(playground: Playground, visit: Visit) -> None:
    with visit("ana@example.test") as client:
        kept = dict(client.cookies)
        assert client.get("/social/me").status_code == 200
        assert client.post("/social/logout").headers["location"] == "/social/login/"
    assert httpx.get(f"{playground.url}/social/me", cookies=kept).status_code == 302


def test_somebody_elses_c_user_does_not_fit_the_token(playground: Playground, visit: Visit) -> None:
    with visit("ana@example.test") as ana, visit("bruno@example.test") as bruno:
        mixed = {**ana.cookies, "c_user": bruno.cookies["c_user"]}
    assert httpx.get(f"{playground.url}/social/me", cookies=mixed).status_code == 302


def test_a_locked_account_may_log_in_but_every_page_is_the_checkpoint(visit: Visit) -> None:
    with visit() as client:
        assert fill(client, "carla@example.test").status_code == 302
        for path in ("/social/", "/social/me", "/social/lucia.fernandez/friends"):
            assert client.get(path).headers["location"] == "/social/checkpoint/"
        page = client.get("/social/checkpoint/")
    assert page.status_code == 200
    assert "Tu cuenta ha sido bloqueada temporalmente" in page.text
    assert 'data-testid="checkpoint"' in page.text


def test_a_device_is_known_again_by_its_token(visit: Visit) -> None:
    with visit() as client:
        fill(client, "ana@example.test")
        token = re.search(r'"token":"(dev-\w+)","known":false', client.get("/social/").text)
        assert token
        fill(client, "ana@example.test", device=token[1])
        assert f'"token":"{token[1]}","known":true' in client.get("/social/").text
