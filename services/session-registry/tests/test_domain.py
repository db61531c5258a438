"""The session's decisions: given what has happened, when this is asked, then that happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from posada_contracts import session as said
from posada_contracts.errors import NotFoundError, PosadaError, SessionExistsError, StaleLeaseError, TokenExpiredError
from posada_contracts.session import SessionEvent, Status, Step
from posada_contracts.vault import Proxy, Sealed, SealedLogin
from posada_session_registry.domain import Session
from posada_session_registry.domain.session import KeptToken, SealedParts
from posada_testkit.builders import TENANT, a_session, some_evidence

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEW, NEWER, OTHER, DISK = (
    Sealed(name=name, digest="0" * 64, size=1) for name in ("old", "new", "newer", "other", "disk")
)
PROXY = Proxy(masked="http://u:***@p:1", secret=OLD)
SEEN = some_evidence()
STEPS = [Step(name="end_browser")]
Change = Callable[[Session], None]


def at(days: float) -> datetime:
    return T0 + timedelta(days=days)


def a_login(
    sealed: Sealed = NEW, source: Any = "person", generation: int = 0, days: float = 1, profile: Sealed | None = None
) -> Change:
    login = SealedLogin(state=sealed, profile=profile)
    return lambda session: session.store_credentials(login, source, generation, at(days))


def _logins(*states: Sealed) -> list[SealedLogin]:
    return [SealedLogin(state=state) for state in states]


def a_totp(sealed: Sealed = NEW, days: float = 1) -> Change:
    return lambda session: session.store_totp(sealed, at(days))


def a_token(sealed: Sealed = NEW, until: float | None = None, days: float = 1) -> Change:
    return lambda session: session.store_token(sealed, None if until is None else at(until), at(days))


def token_read(days: float) -> Change:
    return lambda session: session.read_token(at(days))


def verdict(what: said.Verdict, days: float = 1) -> Change:
    return lambda session: session.record_verdict(what, SEEN, "http", at(days))


def changed(days: float = 1, **fields: Any) -> Change:
    def change(session: Session) -> None:
        kept = {name: getattr(session, name) for name in ("proxy", "user_agent", "priority", "labels")}
        session.change(**{**kept, **fields}, at=at(days))

    return change


def used(days: float, interval: timedelta = DAY) -> Change:
    return lambda session: session.touch(interval, at(days))


def idle(days: float, limit: timedelta = 30 * DAY) -> Change:
    return lambda session: session.expire_if_idle(limit, at(days))


def cleaned(session: Session) -> None:
    session.record_cleaned(STEPS, at(1))


def erased(session: Session) -> None:
    session.erase(STEPS, at(1))


def recreated(session: Session) -> None:
    session.recreate(a_session(labels={"life": "second"}), SealedParts(credentials=NEWER), at(2))


def begun(**changes: Any) -> Session:
    sealed = SealedParts(proxy=PROXY, credentials=OLD)
    session = Session.create("s", a_session(owner="anna", **changes), sealed, T0)
    session.collect_events()
    return session


@dataclass
class Case:
    name: str
    given: list[Change]
    when: Change
    then: type[SessionEvent] | type[PosadaError] | None
    status: Status = "created"
    check: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("a valid login activates", [], verdict("valid"), said.SessionValidated, "active", {"validated_at": at(1)}),
    Case("a valid login after a ban activates", [verdict("banned")], verdict("valid"), said.SessionValidated, "active"),
    Case("a refused login expires", [verdict("valid")], verdict("expired"), said.SessionExpired, "expired"),
    Case("a checkpoint bans", [verdict("valid")], verdict("banned"), said.SessionBanned, "banned"),
    Case("an unknown verdict changes nothing", [verdict("valid")], verdict("unknown"), None, "active"),
    Case("a person's login is to be checked anew", [verdict("banned")], a_login(), said.CredentialsStored, "created"),
    Case(
        "a browser's login leaves the status",
        [verdict("valid")],
        a_login(source="browser", generation=5),
        said.CredentialsStored,
        "active",
        {"credentials": NEW, "generation": 5, "last_activity_at": at(1)},
    ),
    Case(
        "a login of an older browser is refused",
        [a_login(source="browser", generation=5)],
        a_login(NEWER, source="browser", generation=4),
        StaleLeaseError,
        check={"credentials": NEW, "generation": 5},
    ),
    Case(
        "a login of the same browser is taken, with what lay on its disk",
        [a_login(source="browser", generation=5)],
        a_login(NEWER, source="browser", generation=5, profile=DISK),
        said.CredentialsStored,
        check={
            "logins": [*_logins(OLD, NEW), SealedLogin(state=NEWER, profile=DISK)],
            "secrets": [OLD, NEW, NEWER, DISK],
        },
    ),
    Case(
        "a person's login is taken whatever browser was there",
        [a_login(source="browser", generation=5)],
        a_login(NEWER),
        said.CredentialsStored,
        check={"generation": 5},
    ),
    Case(
        "the last three logins are kept",
        [a_login(NEW), a_login(NEWER)],
        a_login(OTHER),
        said.CredentialsStored,
        check={"logins": _logins(NEW, NEWER, OTHER), "secrets": [NEW, NEWER, OTHER]},
    ),
    Case("a changed label is told", [], changed(labels={"a": "b"}), said.SessionChanged, check={"labels": {"a": "b"}}),
    Case("the proxy can be taken away", [], changed(proxy=None), said.SessionChanged, check={"proxy": None}),
    Case("a change to the same makes no event", [], changed(), None, check={"proxy": PROXY}),
    Case("use within the interval makes no event", [used(1)], used(1.9), None, check={"last_activity_at": at(1)}),
    Case("use after the interval is told", [used(1)], used(2), said.SessionUsed, check={"last_activity_at": at(2)}),
    Case("an idle session expires", [], idle(30), said.SessionExpired, "expired"),
    Case("an idle active session expires", [verdict("valid")], idle(31), said.SessionExpired, "expired"),
    Case("an idle cleaned session expires", [cleaned], idle(40), said.SessionExpired, "expired"),
    Case("a session in use does not expire", [used(29)], idle(30), None),
    Case("a banned session does not expire idly", [verdict("banned")], idle(99), None, "banned"),
    Case("an expired session expires once", [idle(30)], idle(99), None, "expired"),
    Case("an erased session does not expire", [erased], idle(99), None, "erased"),
    Case("a clean-up is told", [verdict("valid")], cleaned, said.SessionCleaned, "cleaned"),
    Case(
        "erasing forgets login and proxy",
        [verdict("valid")],
        erased,
        said.SessionErased,
        "erased",
        {"credentials": None, "logins": [], "proxy": None},
    ),
    Case("a TOTP secret is told", [a_totp(NEW)], a_totp(NEWER), said.TotpStored, check={"secrets": [OLD, NEWER]}),
    Case(
        "a token takes the place of the one before",
        [a_token(NEW, until=9)],
        a_token(NEWER, days=2),
        said.TokenStored,
        check={"token": KeptToken(NEWER, at(2), None), "secrets": [OLD, NEWER], "last_activity_at": at(2)},
    ),
    Case("whoever reads a token is on record", [a_token(until=3)], token_read(2), said.TokenRead),
    Case("a token without an end can be read for ever", [a_token()], token_read(9999), said.TokenRead),
    Case("a token whose time is over is not given out", [a_token(until=3)], token_read(3), TokenExpiredError),
    Case("a token that is not there cannot be read", [], token_read(2), NotFoundError),
    Case(
        "erasing forgets codes and token",
        [a_totp(), a_token()],
        erased,
        said.SessionErased,
        "erased",
        {"secrets": []},
    ),
    Case("an erased session is not there for a token", [erased], a_token(), NotFoundError, "erased"),
    Case("an erased session is not there for a TOTP secret", [erased], a_totp(), NotFoundError, "erased"),
    Case("an erased session's token cannot be read", [a_token(), erased], token_read(2), NotFoundError, "erased"),
    Case("erasing twice makes one event", [erased], erased, None, "erased"),
    Case("an erased session is not there for a login", [erased], a_login(), NotFoundError, "erased"),
    Case("an erased session is not there for a verdict", [erased], verdict("valid"), NotFoundError, "erased"),
    Case(
        "an erased session is not there for an unknown verdict", [erased], verdict("unknown"), NotFoundError, "erased"
    ),
    Case("an erased session is not there for use", [erased], used(9), NotFoundError, "erased"),
    Case("an erased session is not there for a change", [erased], changed(labels={"x": "y"}), NotFoundError, "erased"),
    Case("an erased session is not there for cleaning", [erased], cleaned, NotFoundError, "erased"),
    Case("a living session cannot begin again", [], recreated, SessionExistsError),
    Case("a banned session cannot begin again", [verdict("banned")], recreated, SessionExistsError, "banned"),
    Case(
        "an erased session begins again with nothing of before",
        [verdict("valid"), a_login(source="browser", generation=7), erased],
        recreated,
        said.SessionRecreated,
        "created",
        {
            "credentials": NEWER,
            "logins": _logins(NEWER),
            "secrets": [NEWER],
            "proxy": None,
            "generation": 0,
            "validated_at": None,
            "began_at": at(2),
            "labels": {"life": "second"},
            "owner": "anna",
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_given_when_then(case: Case) -> None:
    session = begun()
    for change in case.given:
        change(session)
    session.collect_events()
    if case.then is not None and issubclass(case.then, PosadaError):
        with pytest.raises(case.then):
            case.when(session)
        assert session.collect_events() == []
    else:
        case.when(session)
        assert [type(event) for event in session.collect_events()] == ([case.then] if case.then else [])
    assert session.status == case.status
    assert {name: getattr(session, name) for name in case.check} == case.check


def test_a_session_begins_as_it_was_asked_for() -> None:
    command = a_session(owner="anna", user_agent="Agent/1", priority="vip", labels={"team": "red"})
    session = Session.create("s", command, SealedParts(proxy=PROXY, credentials=OLD), T0)
    (event,) = session.collect_events()
    assert isinstance(event, said.SessionCreated)
    assert (event.tenant, event.owner, event.platform, event.credentials) == (TENANT, "anna", "carabook", OLD)
    assert (session.status, session.began_at, session.last_activity_at, session.version) == ("created", T0, T0, 1)
    assert (session.user_agent, session.priority, session.labels) == ("Agent/1", "vip", {"team": "red"})


def test_a_session_without_login_has_none() -> None:
    session = Session.create("s", a_session(), SealedParts(), T0)
    assert (session.credentials, session.logins, session.proxy) == (None, [], None)


def test_a_foreign_event_is_refused() -> None:
    with pytest.raises(TypeError, match="knows nothing"):
        begun().when(SessionEvent(originator_id="s", originator_version=2, timestamp=T0))
