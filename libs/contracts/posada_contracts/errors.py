"""Everything that can go wrong between services, as one tree.

PosadaError
├── InvalidInputError      422  the request can never work as it stands
│   └── BadCursorError     400
├── UnauthorizedError      401
├── ForbiddenError         403
├── NotFoundError          404
├── ConflictError          409
│   ├── SessionExistsError
│   ├── StaleLeaseError
│   ├── TokenExpiredError
│   └── IdempotencyError
├── ForgottenError         410
├── BrokenSealError        500
├── TooLargeError          413
├── QueueFullError         429  every browser is busy and so many wait already that another may not
├── ProxyUnreachableError  502  the session's proxy does not answer; nothing went out directly
├── BrowserFailedError     502
├── UnavailableError       503  a part is down: a retry helps
└── OutcomeUnknownError    504  a time-out: it may have been done; a retry with the same key is safe

The class docstring is the default message. `code` is stable and what programs look at; `retry` says whether
the very same request may succeed later.
"""

from __future__ import annotations

from typing import Any, ClassVar


class PosadaError(Exception):
    """Something went wrong inside Posada; the trace id in the answer finds it in the logs."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False

    def __init__(self, detail: str = "", **extra: Any) -> None:
        self.detail = detail or (self.__doc__ or "").strip()
        self.extra = extra  #: further members of the problem document, such as `session_id`
        super().__init__(self.detail)


class InvalidInputError(PosadaError):
    """The request cannot be understood."""

    code, status = "invalid_input", 422


class BadCursorError(InvalidInputError):
    """This cursor was not given out by this server: begin again without one."""

    code, status = "bad_cursor", 400


class UnauthorizedError(PosadaError):
    """A key is needed: send `Authorization: Bearer <api key>`."""

    code, status = "unauthorized", 401


class ForbiddenError(PosadaError):
    """This key's role does not allow it."""

    code, status = "forbidden", 403


class NotFoundError(PosadaError):
    """There is no such thing, or it belongs to another tenant."""

    code, status = "not_found", 404


class ConflictError(PosadaError):
    """What is there now does not allow it."""

    code, status = "conflict", 409


class SessionExistsError(ConflictError):
    """This owner has a session on this platform already."""

    code = "session_exists"


class StaleLeaseError(ConflictError):
    """Another runner has taken this session over: what this one still says of it is refused."""

    code = "stale_lease"


class TokenExpiredError(ConflictError):
    """The token's time is over: fetch a new one."""

    code = "token_expired"


class IdempotencyError(ConflictError):
    """This Idempotency-Key was used with another request."""

    code = "idempotency_key_reused"


class ForgottenError(PosadaError):
    """What was sealed here can never be read again: its key was destroyed."""

    code, status = "forgotten", 410


class BrokenSealError(PosadaError):
    """A ciphertext does not open: it was changed, or sealed with another master key."""

    code = "broken_seal"


class TooLargeError(PosadaError):
    """The body is larger than this server takes."""

    code, status = "too_large", 413


class QueueFullError(PosadaError):
    """Every browser is busy and the queue is full: try again when `Retry-After` says."""

    code, status, retry = "queue_full", 429, True


class ProxyUnreachableError(PosadaError):
    """The session's proxy does not answer. Nothing was sent without it."""

    code, status, retry = "proxy_unreachable", 502, True


class BrowserFailedError(PosadaError):
    """The session's browser could not be started or has died."""

    code, status, retry = "browser_failed", 502, True


class UnavailableError(PosadaError):
    """A part of Posada is not there just now: try again shortly."""

    code, status, retry = "unavailable", 503, True


class OutcomeUnknownError(PosadaError):
    """No answer in time: it may have been done. Repeating it with the same Idempotency-Key is safe."""

    code, status, retry = "outcome_unknown", 504, True


def by_code(code: str) -> type[PosadaError]:
    """The class that carries `code`; `PosadaError` for one this version does not know."""
    return _BY_CODE.get(code, PosadaError)


def _tree(root: type[PosadaError]) -> list[type[PosadaError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


_BY_CODE = {cls.code: cls for cls in reversed(_tree(PosadaError))}
