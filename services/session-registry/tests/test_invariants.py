"""Whatever is asked of a session in whatever order: what it is follows from its events alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from posada_contracts import session as said
from posada_contracts.errors import NotFoundError, SessionExistsError, StaleLeaseError, TokenExpiredError
from posada_contracts.messages import Event
from posada_contracts.session import Status, Step
from posada_contracts.vault import Proxy, Sealed, SealedLogin
from posada_runtime.wire import decode, encode
from posada_session_registry.domain import Session
from posada_session_registry.domain.session import KEPT_LOGINS, SealedParts
from posada_testkit.builders import TENANT, a_session, some_evidence

sealed = st.builds(Sealed, name=st.uuids().map(str), digest=st.just("0" * 64), size=st.integers(1, 9))
proxies = st.none() | st.builds(Proxy, masked=st.just("http://u:***@p:1"), secret=sealed)
labels = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)
pauses = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40))
parts = st.builds(SealedParts, proxy=proxies, credentials=st.none() | sealed)


class Life(RuleBasedStateMachine):
    """One session under any sequence of decisions, its events kept as the log keeps them."""

    @initialize(sealed=parts, labels=labels)
    def begin(self, sealed: SealedParts, labels: dict[str, str]) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.log: list[bytes] = []
        self.session = Session.create("s", a_session(owner="anna", labels=labels), sealed, self.now)
        self.keep()

    def keep(self) -> None:
        events = cast("list[Event]", self.session.collect_events())
        assert len(events) <= 1, "one command makes one event"
        for event in events:
            self.log.append(encode(event, tenant=TENANT, actor="", command_id="", trace_id="", prev=""))

    def living(self) -> bool:
        return self.session.status != "erased"

    def decide(self, method: str, *args: Any, allowed: bool = True, refusal: Any = NotFoundError, **named: Any) -> None:
        before = msgspec.json.encode({**vars(self.session), "_pending_events": []})
        try:
            getattr(self.session, method)(*args, **named)
            assert allowed
        except refusal:
            assert not allowed
            assert msgspec.json.encode({**vars(self.session), "_pending_events": []}) == before
        self.keep()

    @rule(pause=pauses)
    def time_passes(self, pause: timedelta) -> None:
        self.now += pause

    @rule(sealed=sealed, source=st.sampled_from(["person", "browser"]), generation=st.integers(0, 4))
    def store_credentials(self, sealed: Sealed, source: Any, generation: int) -> None:
        stale = source == "browser" and generation < self.session.generation
        refusal = (NotFoundError, StaleLeaseError)
        allowed = self.living() and not stale
        login = SealedLogin(state=sealed)
        self.decide("store_credentials", login, source, generation, self.now, allowed=allowed, refusal=refusal)

    @rule(verdict=st.sampled_from(get_args(said.Verdict)))
    def record_verdict(self, verdict: said.Verdict) -> None:
        self.decide("record_verdict", verdict, some_evidence(), "http", self.now, allowed=self.living())

    @rule(proxy=proxies, agent=st.text(max_size=5), labels=labels)
    def change(self, proxy: Proxy | None, agent: str, labels: dict[str, str]) -> None:
        named = {"proxy": proxy, "user_agent": agent, "priority": "vip", "labels": labels, "at": self.now}
        self.decide("change", allowed=self.living(), **named)

    @rule()
    def touch(self) -> None:
        self.decide("touch", timedelta(minutes=1), self.now, allowed=self.living())

    @rule(sealed=sealed)
    def store_totp(self, sealed: Sealed) -> None:
        self.decide("store_totp", sealed, self.now, allowed=self.living())

    @rule(sealed=sealed, lives=st.none() | pauses)
    def store_token(self, sealed: Sealed, lives: timedelta | None) -> None:
        expires_at = None if lives is None else self.now + lives
        self.decide("store_token", sealed, expires_at, self.now, allowed=self.living())

    @rule()
    def read_token(self) -> None:
        token = self.session.token
        allowed = token is not None and not token.over(self.now)
        self.decide("read_token", self.now, allowed=allowed, refusal=(NotFoundError, TokenExpiredError))

    @rule()
    def expire_if_idle(self) -> None:
        self.decide("expire_if_idle", timedelta(days=30), self.now)

    @rule()
    def clean(self) -> None:
        self.decide("record_cleaned", [Step(name="x")], self.now, allowed=self.living())

    @rule()
    def erase(self) -> None:
        self.decide("erase", [], self.now)

    @rule(sealed=parts)
    def recreate(self, sealed: SealedParts) -> None:
        again = a_session(owner="anna")
        self.decide("recreate", again, sealed, self.now, allowed=not self.living(), refusal=SessionExistsError)

    @invariant()
    def what_it_holds_fits_together(self) -> None:
        session = self.session
        assert session.status in get_args(Status)
        assert len(session.logins) <= KEPT_LOGINS
        assert session.credentials == (session.logins[-1].state if session.logins else None)
        assert session.began_at <= session.last_activity_at <= self.now
        assert session.generation >= 0
        if session.status == "active":
            assert session.validated_at is not None
        if session.status == "erased":
            assert (session.credentials, session.logins, session.proxy) == (None, [], None)
            assert session.secrets == []
        assert (session.id, session.tenant, session.owner, session.platform) == ("s", TENANT, "anna", "carabook")

    @invariant()
    def its_events_alone_make_the_same_session(self) -> None:
        replayed: Session | None = None
        for number, payload in enumerate(self.log, 1):
            event = decode(number, payload).event
            assert event.originator_version == number
            replayed = cast("Session", event.mutate(cast("Any", replayed)))
        assert replayed == self.session


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
