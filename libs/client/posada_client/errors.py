"""Everything that the client raises, as one tree.

ClientError
├── PosadaProblem          the platform answered with a problem document
├── UnreachableError
│   ├── NotRunningError    nothing listens at the address
│   └── NoAnswerError      the connection was there, an answer was not: it may have been done
├── UnexpectedAnswerError  the answer is not what this version of the API says
└── WaitTimeoutError       what was waited for goes on; only the waiting is over
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KNOWN = frozenset({"type", "title", "status", "detail", "code", "trace_id"})


class ClientError(Exception):
    """What was asked of Posada did not work."""


class PosadaProblem(ClientError):  # noqa: N818 - RFC 9457's own word for it
    """A problem document (RFC 9457). `code` is stable and what programs look at.

    `extra` holds its further members, such as the `session_id` of a `session_exists`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        trace_id: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.trace_id = trace_id
        self.extra = dict(extra or {})
        super().__init__(f"{detail or title} ({code}, {status})")

    @classmethod
    def of(cls, status: int, document: object) -> PosadaProblem:
        """The problem in `document`, which may be anything that came with an error status."""
        members: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
        return cls(
            status=status,
            code=str(members.get("code") or f"http_{status}"),
            title=str(members.get("title") or f"HTTP {status}"),
            detail=str(members.get("detail") or ""),
            trace_id=str(members.get("trace_id") or ""),
            extra={name: value for name, value in members.items() if name not in _KNOWN},
        )


class UnreachableError(ClientError):
    """Posada cannot be reached."""


class NotRunningError(UnreachableError):
    """Nothing listens at the address. `hint` says what to do about it."""

    def __init__(self, where: str, why: str = "") -> None:
        self.where = where
        self.hint = "Start Posada with `posada up`, or name its address with --url or POSADA_URL."
        reason = f" ({why})" if why else ""
        super().__init__(f"Posada does not answer at {where}{reason}. {self.hint}")


class NoAnswerError(UnreachableError):
    """No answer came, or it broke off: what was asked may have been done."""


class UnexpectedAnswerError(ClientError):
    """The answer is not what this version of the API says: is it Posada that answers there?"""


class WaitTimeoutError(ClientError):
    """The job did not end in the time given. It goes on."""
