"""Writes what is said between services as documents: `docs/subjects.md` for people, `docs/asyncapi.json` for tools.

`python -m posada_contracts.docs` writes them, `--check` tells whether they are fresh.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from posada_contracts import streams
from posada_contracts.messages import EVENTS, REQUESTS, Command, Event, Request

OWNERS = {
    "posada_contracts.session": "session-registry",
    "posada_contracts.access": "session-registry",
    "posada_contracts.house": "session-registry",
    "posada_contracts.browser": "browser-runner",
    "posada_contracts.job": "scraper",
    "posada_contracts.link": "scraper",
}
"""Which service publishes a module's events and answers its requests, unless `ELSEWHERE` says otherwise."""

ELSEWHERE = {
    "qry.job.list": "session-registry",
    "qry.health.browser-runner": "browser-runner",
    "qry.health.scraper": "scraper",
}

HEAD = "<!-- Written by `make docs` from the classes in libs/contracts. Change those, not this. -->\n"


def owner_of(message: type[Any]) -> str:
    """The one service that publishes or answers `message`."""
    return ELSEWHERE.get(message.SUBJECT, OWNERS[message.__module__])


def subjects_md() -> str:
    """All messages, as a page."""
    parts = [HEAD, "# What is said, and on which subject\n"]
    parts.append(
        "Commands and queries are request-reply and have one owner; events are facts and have one publisher.\n"
    )
    parts.append(_section("Commands", (r for r in _requests() if issubclass(r, Command))))
    parts.append(_section("Queries", (r for r in _requests() if not issubclass(r, Command))))
    parts.append(_section("Events", _events()))
    parts.append(_kept())
    return "\n".join(parts)


def _section(title: str, messages: Iterable[type[Any]]) -> str:
    return f"## {title}\n\n" + "\n".join(_entry(message) for message in messages)


def _entry(message: type[Any]) -> str:
    lines = [f"### `{message.SUBJECT}`\n", f"**{message.__name__}** · {owner_of(message)}"]
    if issubclass(message, Event):
        lines[-1] += f" · type `{message.TOPIC}`"
    else:
        lines[-1] += f" · answers `{_type_name(message.REPLY)}`"
    lines += ["", _doc(message), ""]
    fields = [field for field in dataclasses.fields(message) if field.name not in _common(message)]
    if fields:
        comments = _comments(message)
        lines += ["| field | type | |", "|---|---|---|"]
        lines += [f"| `{f.name}` | `{_cell(f.type)}` | {comments.get(f.name, '')} |" for f in fields]
        lines.append("")
    return "\n".join(lines)


def _kept() -> str:
    tree = ast.parse(inspect.getsource(streams))
    rows = ["## What JetStream keeps\n", "| name | |", "|---|---|"]
    for this, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(this, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            name = ast.literal_eval(this.value)
            rows.append(f"| `{name}` | {str(after.value.value).strip()} |")
    return "\n".join(rows) + "\n"


def _common(message: type[Any]) -> set[str]:
    base: type[Any] = Event if issubclass(message, Event) else Command if issubclass(message, Command) else Request
    return {field.name for field in dataclasses.fields(base)} | {"originator_topic"}


def _cell(type_: Any) -> str:
    return str(type_).replace("|", "\\|")


def _type_name(type_: Any) -> str:
    if arguments := get_args(type_):
        return f"{get_origin(type_).__name__}[{', '.join(map(_type_name, arguments))}]"
    return "nothing" if type_ is type(None) else str(type_.__name__)


def _doc(message: type[Any]) -> str:
    return " ".join((inspect.getdoc(message) or "").split())


def _comments(message: type[Any]) -> dict[str, str]:
    """The `#:` comments behind a class's fields, by field."""
    found = {}
    for line in inspect.getsource(message).splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and name.isidentifier() and "#:" in rest:
            found[name] = rest.partition("#:")[2].strip()
    return found


def asyncapi() -> str:
    """The same as an AsyncAPI 3.0 document."""
    messages: list[type[Any]] = [*_requests(), *_events()]
    replies: dict[type[Any], str] = {request: _reply_name(request) for request in _requests()}
    types = [*messages, *(request.REPLY for request in replies)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(map(id, types), schemas, strict=True))
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Posada", "version": "1.0.0", "description": "What Posada's services say over NATS."},
        "defaultContentType": "application/json",
        "channels": {m.__name__: _channel(m, replies.get(m)) for m in messages},
        "operations": {f"{_verb(m)}{m.__name__}": _operation(m) for m in messages},
        "components": {
            "messages": {
                **{m.__name__: {"summary": _doc(m), "payload": by_type[id(m)]} for m in messages},
                **{name: {"payload": by_type[id(r.REPLY)]} for r, name in replies.items()},
            },
            "schemas": components,
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _reply_name(request: type[Any]) -> str:
    return f"{request.__name__}Reply"


def _verb(message: type[Any]) -> str:
    return "publish" if issubclass(message, Event) else "answer"


def _channel(message: type[Any], reply: str | None) -> dict[str, Any]:
    names = [message.__name__, *([reply] if reply else [])]
    tokens = [part[1:-1] for part in message.SUBJECT.split(".") if part.startswith("{")]
    channel: dict[str, Any] = {
        "address": message.SUBJECT,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    return {**channel, "parameters": {token: {} for token in tokens}} if tokens else channel


def _operation(message: type[Any]) -> dict[str, Any]:
    channel = {"$ref": f"#/channels/{message.__name__}"}
    operation: dict[str, Any] = {
        "action": "send" if issubclass(message, Event) else "receive",
        "channel": channel,
        "summary": f"{owner_of(message)}: {_doc(message)}",
        "messages": [{"$ref": f"#/channels/{message.__name__}/messages/{message.__name__}"}],
    }
    if not issubclass(message, Event):
        answer = f"#/channels/{message.__name__}/messages/{_reply_name(message)}"
        operation["reply"] = {"channel": channel, "messages": [{"$ref": answer}]}
    return operation


def _requests() -> list[type[Request[Any]]]:
    return [REQUESTS[subject] for subject in sorted(REQUESTS) if REQUESTS[subject].__module__ in OWNERS]


def _events() -> list[type[Event]]:
    return [EVENTS[type_] for type_ in sorted(EVENTS) if EVENTS[type_].__module__ in OWNERS]


def main() -> None:
    """Write the documents, or check them."""
    parser = argparse.ArgumentParser(description="Documents of what services say to each other.")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a document is stale")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    given = parser.parse_args()
    stale = []
    for name, text in (("subjects.md", subjects_md()), ("asyncapi.json", asyncapi())):
        path = given.out / name
        if not path.exists() or path.read_text() != text:
            stale.append(str(path))
            if not given.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    if given.check and stale:
        sys.exit(f"stale: {', '.join(stale)}; `make docs` writes them anew")


if __name__ == "__main__":
    main()
