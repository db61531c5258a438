"""The small gateway's browsers, tokens and links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .house import House, Seen

PNG = b"\x89PNG\r\n\x1a\n and so on"
PDF = b"%PDF-1.7 and so on"
STEPS = [{"name": "close", "ok": True, "detail": ""}]


@dataclass(frozen=True)
class File:
    """An answer that is no JSON document."""

    media: str
    data: bytes


Answer = tuple[int, Any]


def problem(status: int, code: str, **extra: Any) -> Answer:
    """A problem document."""
    said = {"type": f"urn:posada:error:{code}", "title": code, "status": status, "detail": f"It is {code}."}
    return status, {**said, "code": code, "trace_id": "a" * 32, **extra}


def of_session(house: House, request: Seen, session: str, rest: list[str]) -> Answer | File:
    """`/v1/sessions/{id}/…`: its browser, what that shows and has downloaded, and its link."""
    match request.method, rest:
        case "POST", ["browser"]:
            return browser(house, request, session)
        case "DELETE", ["browser"]:
            closed = session in house.open
            house.open.discard(session)
            return 200, {"closed": closed}
        case "GET", ["screenshot"]:
            return File("image/png", PNG + request.query.get("full_page", "").encode())
        case "GET", ["pdf"]:
            return File("application/pdf", PDF)
        case "GET", ["artifacts"]:
            at = "2026-05-04T12:00:00Z"
            about = {"name": "informe.csv", "url": "https://example.test/informe.csv", "at": at}
            items = [{"id": id_, "size": len(data), **about} for id_, data in house.downloads.items()]
            return 200, {"items": items, "next_cursor": None}
        case "GET", ["artifacts", id_]:
            data = house.downloads.get(id_)
            return problem(404, "not_found") if data is None else File("application/octet-stream", data)
        case _, ["link", *about_link]:
            return link(house, request, session, about_link)
    return problem(404, "not_found")


def browser(house: House, request: Seen, session: str) -> Answer:
    """Open, queued, or refused."""
    assert request.headers["prefer"].startswith("wait=")
    if house.queue_full:
        return problem(429, "queue_full", retry_after=7)
    at = f"{house.url}/v1/sessions/{session}"
    doors = {"cdp_url": f"{at.replace('http', 'ws', 1)}/cdp", "webdriver_url": f"{at}/webdriver"}
    doors["live_url"] = f"{at}/live"
    if house.positions:
        return 202, {"state": "queued", "position": house.positions.pop(0), **doors}
    house.open.add(session)
    return 200, {"state": "open", "position": None, **doors}


def link(house: House, request: Seen, session: str, rest: list[str]) -> Answer | File:
    """`…/link`."""
    if request.method == "POST":
        house.on_link(session)
    now = house.links.get(session, {"state": "none", "qr": "", "detail": "", "changed_at": None})
    match request.method, rest:
        case (("GET" | "POST"), []):
            return 200, {**{name: now[name] for name in ("state", "detail", "changed_at")}, "has_qr": bool(now["qr"])}
        case "DELETE", []:
            house.link(session, "disconnected", detail="cleaned")
            return 200, {"session_id": session, "ok": True, "steps": STEPS}
        case "GET", ["qr"] if now["state"] == "connected":
            return problem(409, "conflict")
        case "GET", ["qr"] if not now["qr"]:
            return problem(404, "not_found")
        case "GET", ["qr"]:
            as_json = request.headers["accept"] == "application/json"
            return (200, {"qr": now["qr"], "shown_at": now["changed_at"]}) if as_json else File("image/png", PNG)
    return problem(404, "not_found")


def tokens(house: House, request: Seen, rest: list[str]) -> Answer:
    """`/v1/tokens`."""
    if request.method == "POST":
        owner, platform = request.body["owner"], request.body["platform"]
        busy = next((job for job in house.jobs.values() if job["kind"] == "token" and not job["finished_at"]), None)
        if busy:
            return problem(409, "conflict", job_id=busy["id"])
        return 202, dict(house.new_job(house.new_session(owner, platform)["id"], "token"))
    named = (s for s in house.sessions.values() if [s["owner"], s["platform"]] == rest[:2])
    session = next(named, None)
    if session is None:
        return problem(404, "not_found")
    token = house.tokens.get(session["id"])
    if rest[2:] == ["value"]:
        at = "2026-05-04T13:00:00Z"
        return (200, {"token": token, "expires_at": at}) if token else problem(409, "token_expired")
    said = {"owner": rest[0], "platform": rest[1], "session_id": session["id"], "stored_at": None, "expires_at": None}
    return 200, {**said, "status": "valid" if token else "none"}


def given(house: House, request: Seen, job: dict[str, Any]) -> Answer:
    """`/v1/jobs/{id}/input`."""
    if list(request.body) != ["mfa_code"] or job["state"] != "needs_user":
        return problem(409, "conflict")
    house.given(job["id"], request.body["mfa_code"])
    return 200, dict(house.jobs[job["id"]])
