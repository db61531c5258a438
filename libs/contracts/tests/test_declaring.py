"""How messages are declared, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from posada_contracts import errors, ids
from posada_contracts.docs import asyncapi, owner_of
from posada_contracts.messages import EVENTS, REQUESTS, BadSubjectTokenError, Command, DuplicateMessageError, token
from posada_contracts.session import SessionBanned, SessionEvent


def test_a_subject_is_rendered_and_made_a_pattern() -> None:
    assert SessionBanned.pattern() == "evt.*.session.*.banned"
    assert SessionBanned.pattern(tenant="acme") == "evt.acme.session.*.banned"


def test_the_same_type_is_not_declared_twice() -> None:
    with pytest.raises(DuplicateMessageError, match="SessionBanned"):

        class _Again(SessionEvent, type="session.banned.v1", subject="evt.{tenant}.session.{id}.again"):
            """Never made."""


def test_the_same_request_is_not_declared_twice() -> None:
    with pytest.raises(DuplicateMessageError, match="CreateSession"):

        class _Again(Command[None], subject="cmd.session.create"):
            """Never made."""


@pytest.mark.parametrize("bad", ["", "a.b", "*", ">", "a b", "ñ", "a" * 65, "a\n"])
def test_what_could_change_a_subject_is_no_token(bad: str) -> None:
    with pytest.raises(BadSubjectTokenError):
        token(bad)


def test_every_message_has_an_owner_and_says_what_it_is() -> None:
    for message in [*EVENTS.values(), *REQUESTS.values()]:
        if message.__module__.startswith("posada_contracts."):
            assert owner_of(message)
            assert message.__doc__


def test_every_error_is_found_by_its_code() -> None:
    def tree(root: type[errors.PosadaError]) -> list[type[errors.PosadaError]]:
        return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]

    declared = [cls for cls in tree(errors.PosadaError) if cls.__module__ == errors.__name__]
    assert {cls.code for cls in declared} == {errors.by_code(cls.code).code for cls in declared}
    assert errors.by_code("session_exists") is errors.SessionExistsError
    assert errors.by_code("from_a_newer_version") is errors.PosadaError


def test_ids_never_change_their_meaning() -> None:
    assert ids.session_id("default", "ana", "facebook") == "e0b1b172-7fc6-5d69-bc22-4aa112d010f5"
    assert ids.session_id("a", "b-c", "d") != ids.session_id("a-b", "c", "d")
    assert ids.derived_id("a", "b") == ids.derived_id("a", "b") != ids.derived_id("ab")


def test_the_asyncapi_document_refers_to_nothing_that_is_not_there() -> None:
    document = json.loads(asyncapi())
    for reference in _references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert len(document["channels"]) == len(document["operations"]) > 40


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [reference for value in node.values() for reference in _references(value)]
    return [reference for item in node for reference in _references(item)] if isinstance(node, list) else []


def test_a_stale_document_is_told(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "posada_contracts.docs", "--out", str(tmp_path)]
    assert subprocess.run([*program, "--check"], check=False, capture_output=True).returncode == 1
    subprocess.run(program, check=True)
    assert subprocess.run([*program, "--check"], check=False).returncode == 0
