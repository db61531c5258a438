"""Exit codes that mean something."""

from __future__ import annotations

from enum import IntEnum

from posada_client.errors import ClientError, PosadaProblem, UnreachableError


class Code(IntEnum):
    """What the process's exit code says."""

    OK = 0
    FAILED = 1  #: the thing asked for did not succeed
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    INVALID = 7
    SERVER = 8
    INTERRUPTED = 130


#: As `posada --help` lists them.
MEANINGS = {
    Code.OK: "done",
    Code.FAILED: "what was asked for did not succeed: a job failed, a login or token is not valid, a replay differs",
    Code.USAGE: "the command line is wrong",
    Code.UNREACHABLE: "Posada is not running, or cannot be reached",
    Code.REFUSED: "refused: no key, or its role does not allow it",
    Code.NOT_FOUND: "there is no such thing",
    Code.CONFLICT: "what is there now does not allow it",
    Code.INVALID: "the input is not valid",
    Code.SERVER: "the server failed, or is too busy",
}

_BY_STATUS = {401: Code.REFUSED, 403: Code.REFUSED, 404: Code.NOT_FOUND, 410: Code.NOT_FOUND, 409: Code.CONFLICT}


class CommandError(ClientError):
    """A command that ends with a message and an exit code of its own."""

    def __init__(self, code: Code, message: str) -> None:
        self.code = code
        super().__init__(message)


def code_of(error: ClientError) -> Code:
    """The exit code for an error."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, UnreachableError):
        return Code.UNREACHABLE
    if isinstance(error, PosadaProblem):
        return _BY_STATUS.get(error.status, Code.INVALID if error.status < 429 else Code.SERVER)
    return Code.FAILED
