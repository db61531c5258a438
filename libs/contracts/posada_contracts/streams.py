"""The names of what JetStream keeps. Nothing outside this package spells them."""

from posada_contracts.messages import token

EVENT_STREAM = "EVENTS"
"""The event log: the only truth. Never purged."""

EVENT_SUBJECTS = "evt.>"

JOB_QUEUE = "scraper-jobs"
"""Durable consumer over the log's `job.requested` events: the work queue is the log itself."""

LEASES = "leases"
"""KV: who may host a session or run a singleton just now."""

SESSION_KEYS = "session_keys"
"""KV: each session's data key, wrapped by the master key. Destroying one forgets all it sealed."""

SEALED = "sealed"
"""Object store: ciphertext only."""

SNAPSHOTS = "snapshots"
"""KV: states of long aggregates; a cache, safe to lose."""

IDEMPOTENCY = "idempotency"
"""KV: answers already given, by Idempotency-Key, for a day."""


LOGIN_CHECKS = "scraper-login-checks"
"""Durable consumer over the log's `session.credentials_stored`: a login made by hand is checked at once."""

FORM_JOBS = "form_jobs"
"""KV: by session, the one job that may type into its platform's login form."""

LINK_QRS = "link_qrs"
"""KV, in memory only: the QR that each link shows just now."""


def of_tenant(tenant: str) -> str:
    """All events of one tenant."""
    return f"evt.{token(tenant)}.>"


def of_aggregate(tenant: str, kind: str, id: str) -> str:
    """All events of one aggregate. Raises BadSubjectTokenError: with a wildcard it would be those of others."""
    return f"evt.{token(tenant)}.{kind}.{token(id)}.>"


def of_kind(kind: str) -> str:
    """All events of one kind of aggregate, of every tenant."""
    return f"evt.*.{kind}.>"


def about_session(tenant: str, id: str) -> list[str]:
    """All events about one session: its own, its browser's and its link's."""
    return [of_aggregate(tenant, kind, id) for kind in ("session", "browser", "link")]
