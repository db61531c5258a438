import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from posada_playground.child import Playground

Visit = Callable[..., httpx.Client]

CARD = re.compile(r'data-visualcompletion="ignore-dynamic">\s*<a [^>]*href="([^"]+)"')


def friends_in(html: str) -> list[str]:
    """The links of the rendered friends, without those of the suggestions and of the template."""
    section = html.partition('id="friends"')[2].partition("<template")[0]
    return CARD.findall(section)


def next_page(client: httpx.Client, html: str, cursor: str, **other: str) -> httpx.Response:
    user, doc = re.search(r'data-user="(\d+)" data-doc="(\d+)"', html).groups()  # type: ignore[union-attr]
    token = re.search(r'"f":"(\w+)"', html)
    assert token
    variables = json.dumps({"id": user, "cursor": cursor})
    fields = {"doc_id": doc, "variables": variables, "fb_dtsg": token[1], **other}
    return client.post("/social/api/graphql", data=fields)


def all_friends(client: httpx.Client, path: str) -> tuple[list[str], int]:
    """Every friend's link, and how many calls the rest of the list took."""
    html = client.get(path).text
    links, calls = friends_in(html), 0
    cursor = re.search(r'data-cursor="([^"]*)"', html)[1]  # type: ignore[index]
    while cursor:
        items: dict[str, Any] = next_page(client, html, cursor).json()["data"]["node"]["pageItems"]
        calls += 1
        links += [edge["node"]["url"] for edge in items["edges"]]
        assert items["page_info"]["has_next_page"] == (items["page_info"]["end_cursor"] is not None)
        cursor = items["page_info"]["end_cursor"]
    return links, calls


def test_a_profile_tells_name_ids_city_work_bio_and_friends(visit: Visit) -> None:
    with visit("ana@example.test") as client:
        page = client.get("/social/lucia.fernandez").text
        user_id = re.search(r'content="fb://profile/(\d{15})"', page)
        assert user_id
        by_id = client.get(f"/social/profile.php?id={user_id[1]}").text
    assert f'"userID":"{user_id[1]}","userVanity":"lucia.fernandez"' in page
    assert re.search(r"<h1[^>]*>Lucía Fernández Ortega</h1>", page)
    assert "Vive en <strong>" in page
    assert "Trabaja en <strong>" in page
    assert "340 amigos" in page
    assert by_id == page


def test_whoever_is_unknown_is_not_available(visit: Visit) -> None:
    with visit("ana@example.test") as client:
        for path in ("nobody.here", "profile.php?id=1", "nobody.here/friends", "groups/1/x"):
            answer = client.get(f"/social/{path}")
            assert answer.status_code == 404
            assert "Este contenido no está disponible" in answer.text


def test_340_friends_come_in_pages_each_once(visit: Visit) -> None:
    with visit("ana@example.test") as client:
        links, calls = all_friends(client, "/social/lucia.fernandez/friends")
    assert len(set(links)) == len(links) == 340
    assert calls == 14
    assert any(link.startswith("/social/profile.php?id=") for link in links)


def test_a_friend_without_username_has_profile_and_friends_by_id(visit: Visit) -> None:
    with visit("ana@example.test") as client:
        links, _ = all_friends(client, "/social/lucia.fernandez/friends")
        bare = next(link for link in links if "profile.php" in link).replace("&amp;", "&")
        profile = client.get(bare).text
        friends, _ = all_friends(client, f"{bare}&sk=friends")
    assert '"userVanity":""' in profile
    assert "/social/lucia.fernandez" in friends


@pytest.mark.parametrize(("handle", "count", "calls"), [("mateo.ibarra", 48, 1), ("irene.soto", 0, 0)])
def test_a_list_may_end_at_the_edge_of_a_page_or_be_empty(visit: Visit, handle: str, count: int, calls: int) -> None:
    with visit("ana@example.test") as client:
        links, made = all_friends(client, f"/social/{handle}/friends")
        page = client.get(f"/social/{handle}/friends").text
    assert (len(links), made) == (count, calls)
    assert ('id="sentinel"' in page) == (count > 24)


def test_calls_that_make_no_sense_are_refused_with_json(visit: Visit) -> None:
    with visit("ana@example.test") as client:
        html = client.get("/social/lucia.fernandez/friends").text
        cursor = re.search(r'data-cursor="([^"]+)"', html)[1]  # type: ignore[index]
        for wrong in ({"doc_id": "1"}, {"variables": "[]"}, {"variables": "{"}, {"fb_dtsg": "forged"}):
            assert next_page(client, html, cursor, **wrong).status_code == 400
        for bad_cursor in ("", "x", "ñ", "YTox"):
            assert next_page(client, html, bad_cursor).status_code == 400


def test_the_endpoint_answers_json_when_the_login_is_over_or_locked(playground: Playground, visit: Visit) -> None:
    with visit("bruno@example.test") as client:
        playground.control("POST", "/accounts/bruno@example.test/lock")
        assert client.post("/social/api/graphql").status_code == 403
        playground.control("POST", "/accounts/bruno@example.test/expire")
        answer = client.post("/social/api/graphql")
    assert answer.status_code == 401
    assert answer.json()["errorSummary"] == "No has iniciado sesión"
