"""A small gateway that speaks the REST contract over real HTTP, and can be told to misbehave."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import doors
from .doors import problem
from .house import House, Seen

KEY = "psd_test_secret"
ENDS = ("job.succeeded.v1", "job.failed.v1", "job.cancelled.v1")


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    protocol_version = "HTTP/1.1"
    house: House

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Route by method and path."""
        split = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Seen(self.command, split.path, query, headers, body)
        self.house.seen.append(request)
        if self.house.refuse_next:
            self.house.refuse_next -= 1
            return self.answer(*problem(503, "unavailable"), {"Retry-After": self.house.retry_after})
        if split.path.startswith("/v1") and headers.get("authorization") != f"Bearer {KEY}":
            return self.answer(*problem(401, "unauthorized"))
        return self.once(request)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names are the base class's

    def once(self, request: Seen) -> None:
        """A repeated POST answers what the first one did."""
        key = request.headers.get("idempotency-key")
        status, document = self.house.made.get(key, (0, None)) if key else (0, None)
        if not status:
            answer = self.route(request)
            if answer is None:
                return None
            status, document = answer
            if key:
                self.house.made[key] = answer
        if request.method == "POST" and self.house.cut_answers:
            self.house.cut_answers -= 1
            self.close_connection = True
            self.connection.close()
            return None
        return self.answer(status, document)

    def route(self, request: Seen) -> tuple[int, Any] | None:
        """The status and document; None when it was answered already."""
        house, parts = self.house, request.path.strip("/").split("/")
        match request.method, parts:
            case "GET", ["readyz"]:
                return 200, {"status": "ok"}
            case "GET", ["health"]:
                services = {"nats": {"status": house.health, "message": f"it is {house.health}"}}
                return (200 if house.health == "ok" else 503), {"status": house.health, "services": services}
            case "GET", ["v1", "stats"]:
                numbers = {"sessions": {"created": len(house.sessions)}, "jobs": {}, "queue": {"queued": 0}}
                pool = {"browsers": len(house.open), "max_browsers": 10, "runners": house.runners}
                return 200, {**numbers, **pool, "projected": 0, "logged": len(house.log)}
            case "GET", ["v1", "platforms"]:
                return 200, {"items": [{"name": "facebook", "kinds": ["friends"], "base_url": "http://127.0.0.1:1"}]}
            case "POST", ["v1", "replay"]:
                table = {"table": "sessions", "rows_live": 2, "rows_replayed": 2, "equal": house.tables_equal}
                swapped = request.body["from_scratch"]
                return 200, {"events": 9, "sequence": 9, "took_ms": 4, "swapped": swapped, "tables": [table]}
            case "GET", ["v1", "audit"]:
                return 200, {"events": 9, "aggregates": 2, "faults": house.faults, "took_ms": 3}
            case _, ["v1", "keys", *rest]:
                return self.keys(request, rest)
            case _, ["v1", "sessions", *rest]:
                return self.sessions(request, rest)
            case _, ["v1", "tokens", *rest]:
                return doors.tokens(house, request, rest)
            case _, ["v1", "jobs", *rest]:
                return self.jobs(request, rest)
            case "GET", ["v1", "events"]:
                return self.events(request, house.log, begin=len(house.log))
        return problem(404, "not_found")

    def keys(self, request: Seen, rest: list[str]) -> tuple[int, Any] | None:
        """`/v1/keys`."""
        if request.method == "POST":
            key = {"id": f"k{len(self.house.keys)}", "tenant": "default", "created_at": "2026-05-04T12:00:00Z"}
            key |= request.body
            self.house.keys.append({**key, "revoked": False})
            return 201, {**key, "key": f"psd_{key['id']}_secret"}
        if request.method == "GET":
            tenant = request.query.get("tenant", "default")
            return 200, {"items": [key for key in self.house.keys if key["tenant"] == tenant], "next_cursor": None}
        found = next((key for key in self.house.keys if key["id"] == rest[0]), None)
        if found is None:
            return problem(404, "not_found")
        found["revoked"] = True
        return 200, found

    def sessions(self, request: Seen, rest: list[str]) -> tuple[int, Any] | None:
        """`/v1/sessions`."""
        house = self.house
        match request.method, rest:
            case "POST", []:
                if "\n" in request.body["owner"]:
                    wrong = [{"field": "owner", "message": "one line is wanted"}]
                    return problem(422, "invalid_input", errors=wrong)
                same = (request.body["owner"], request.body["platform"])
                there = next((s for s in house.sessions.values() if (s["owner"], s["platform"]) == same), None)
                if there:
                    return problem(409, "session_exists", session_id=there["id"])
                return 201, house.new_session(**request.body)
            case "GET", []:
                return self.page(request, list(house.sessions.values()), ("owner", "platform", "status"))
        session = house.sessions.get(rest[0])
        if session is None:
            return problem(404, "not_found")
        match request.method, rest[1:]:
            case "GET", []:
                return 200, session
            case "PATCH", []:
                session.update(request.body)
                return 200, session
            case "DELETE", []:
                session["status"] = "erased"
                return 200, session
            case "PUT", ["credentials"]:
                session["has_credentials"] = True
                return 200, session
            case "POST", ["validate"]:
                evidence = {"url": "https://www.facebook.com/", "marker": "home", "status": 200, "detail": "seen"}
                return 200, {"verdict": house.verdict, "evidence": evidence, "probe": "http", "took_ms": 31}
            case "POST", ["clean"]:
                steps = [
                    {"name": "close", "ok": True, "detail": ""},
                    {"name": "kill", "ok": True, "detail": "1 process"},
                ]
                return 200, {"session_id": session["id"], "ok": True, "steps": steps}
            case "GET", ["events"]:
                about = [event for event in house.log if event["subject_id"] == session["id"]]
                return self.events(request, about, state=session)
        found = doors.of_session(house, request, session["id"], rest[1:])
        if isinstance(found, doors.File):
            self.raw(found.media, found.data)
            return None
        return found

    def jobs(self, request: Seen, rest: list[str]) -> tuple[int, Any] | None:
        """`/v1/jobs`."""
        house = self.house
        match request.method, rest:
            case "POST", []:
                body = dict(request.body)
                owner, platform = body.pop("owner", None), body.pop("platform", None)
                named = (s["id"] for s in house.sessions.values() if (s["owner"], s["platform"]) == (owner, platform))
                session_id = body.pop("session_id", None) or next(named, None)
                if session_id not in house.sessions:
                    return problem(404, "not_found")
                return 202, dict(house.new_job(session_id, **body))
            case "GET", []:
                return self.page(request, list(house.jobs.values()), ("session_id", "state"))
        job = house.jobs.get(rest[0])
        if job is None:
            return problem(404, "not_found")
        match request.method, rest[1:]:
            case "GET", []:
                return 200, job
            case "DELETE", []:
                if job["state"] in {"queued", "running"}:
                    house.finish(job["id"], "cancelled")
                return 200, job
            case "POST", ["input"]:
                return doors.given(house, request, job)
            case "GET", ["result"]:
                return self.result(request, job)
            case "GET", ["events"]:
                about = [event for event in house.log if event["subject_id"] == job["id"]]
                begin = int(request.headers.get("last-event-id") or 0)
                if job["finished_at"] and begin and not [e for e in about if e["sequence"] > begin]:
                    return 204, None
                return self.events(request, about, subject=job["id"])
        return problem(404, "not_found")

    def page(self, request: Seen, items: list[Any], filters: tuple[str, ...]) -> tuple[int, Any]:
        """One page of a list; the cursor is a position."""
        wanted = {name: request.query[name] for name in filters if name in request.query}
        items = [item for item in items if all(item[name] == value for name, value in wanted.items())]
        begin, size = int(request.query.get("cursor", 0)), int(request.query.get("limit", 2))
        end = begin + size
        return 200, {"items": items[begin:end], "next_cursor": str(end) if end < len(items) else None}

    def result(self, request: Seen, job: dict[str, Any]) -> tuple[int, Any] | None:
        """The records in the form that was asked for."""
        if job["state"] != "succeeded":
            return problem(409, "conflict")
        records, accept = self.house.records, request.headers["accept"]
        if job["kind"] == "doctor":
            hits = 1 if self.house.selectors_ok else 0
            records = [{"page": "home", "name": "feed", "selector": "[role=feed]", "hits": hits, "ok": bool(hits)}]
        if accept == "application/x-ndjson":
            self.raw(accept, "".join(json.dumps(record) + "\n" for record in records).encode())
            return None
        if accept == "text/csv":
            lines = [",".join(records[0]), *(",".join(map(str, record.values())) for record in records)]
            self.raw(accept, ("\r\n".join(lines) + "\r\n").encode())
            return None
        return 200, {"items": records}

    def events(
        self,
        request: Seen,
        events: list[dict[str, Any]],
        *,
        subject: str = "",
        begin: int = 0,
        state: dict[str, Any] | None = None,
    ) -> tuple[int, Any] | None:
        """A page, or a stream that may be cut."""
        if "text/event-stream" in request.headers["accept"]:
            self.stream(subject or (state or {}).get("id", ""), int(request.headers.get("last-event-id", begin)))
            return None
        if "as_of" in request.query:
            upto = int(request.query["as_of"])
            events = [event for event in events if event["sequence"] <= upto]
            answered = self.page(request, events, ())[1]
            return 200, {**answered, "state": state if events else None}
        after = int(request.query.get("after", 0))
        return self.page(request, [event for event in events if event["sequence"] > after], ())

    def stream(self, subject: str, last: int) -> None:
        """Events as they come, with heartbeats in between."""
        house = self.house
        cut = house.cut_streams_after.pop(0) if house.cut_streams_after else None
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        while True:
            news = house.after(last)
            self.chunk(": heartbeat\n\n")
            for event in news:
                last = event["sequence"]
                if subject and event["subject_id"] != subject:
                    continue
                if sent == cut:  # in the middle of an event, without the end that chunked bodies have
                    self.chunk(f"id: {event['sequence']}\ndata: {{")
                    self.close_connection = True
                    self.connection.close()
                    return
                self.chunk(f"id: {last}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n")
                sent += 1
                if subject and event["type"] in ENDS:
                    self.chunk("")
                    return

    def chunk(self, text: str) -> None:
        """A piece of a chunked body; the empty one ends it."""
        data = text.encode()
        try:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        except OSError as error:
            raise ConnectionAbortedError from error

    def raw(self, media: str, data: bytes) -> None:
        """An answer that is no JSON document."""
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        """One JSON document."""
        data = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Ends without waiting for streams, and says nothing of clients that went away."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go when they like."""


def open_house(port: int = 0) -> tuple[House, Server]:
    """A gateway on a free port, or on this one."""
    house = House()
    handler = type("Bound", (Handler,), {"house": house})
    server = Server(("127.0.0.1", port), handler)
    house.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True).start()
    return house, server
