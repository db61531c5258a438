"""Jobs and how far they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FINISHED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job is, in records."""

    done: int = 0
    total: int | None = None  #: as the platform announces it, when it does
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class JobError:
    """Why a job failed."""

    code: str = ""
    detail: str = ""
    verdict: str | None = None


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a job in the state `needs_user` waits for."""

    what: str  #: the name of what is to be given, such as `mfa_code`
    detail: str = ""  #: one sentence for people
    until: datetime | None = None  #: when the job gives up waiting


@dataclass(frozen=True, kw_only=True)
class Job:
    """A long piece of work on a session."""

    id: str
    session_id: str
    kind: str
    state: str  #: queued, running, needs_user, succeeded, failed or cancelled
    platform: str = ""
    target: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    progress: Progress = Progress()
    attempt: int = 0
    error: JobError | None = None
    records: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    version: int = 0
    needs: Need | None = None  #: in the state `needs_user`

    @property
    def finished(self) -> bool:
        """Whether it has ended, however it ended."""
        return self.state in FINISHED
