"""The real `posada` process, in a pipe or on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POSADA = Path(sys.executable).parent / "posada"
SECONDS = 60.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True)
class Ran:
    """What a process has said, and how it ended."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        """stdout as the one document that it is."""
        return json.loads(self.out)

    @property
    def plain(self) -> str:
        """stdout without colours and moves of the cursor."""
        return _ESCAPES.sub("", self.out)


@dataclass(frozen=True)
class Shell:
    """Runs `posada` in one directory with one environment."""

    home: Path
    env: dict[str, str]

    def environment(self, **more: str) -> dict[str, str]:
        """No setting of whoever runs the tests gets in."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "HOME": str(self.home), "LC_ALL": "C.UTF-8", **self.env, **more}

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """The process, in a pipe."""
        return subprocess.Popen(
            [POSADA, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=self.environment(**more),
        )

    def run(self, *arguments: str, given: str = "", **more: str) -> Ran:
        """Run to the end, in a pipe."""
        done = subprocess.run(
            [POSADA, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=self.home,
            env=self.environment(**more),
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, *arguments: str, columns: int = 100, typing: Sequence[tuple[str, str]] = ()) -> Ran:
        """Run to the end on a terminal of this width; stdout and stderr are one there.

        `typing`: what is typed as soon as the terminal shows something, pair by pair.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        process = subprocess.Popen(
            [POSADA, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.home,
            env=self.environment(TERM="xterm-256color"),
            start_new_session=True,
        )
        os.close(theirs)
        try:
            said = _all_of(ours, list(typing))
            return Ran(process.wait(SECONDS), said)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


def _all_of(terminal: int, typing: list[tuple[str, str]]) -> str:
    deadline, said, answered = time.monotonic() + SECONDS, b"", 0
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
            if not piece:
                break
            said += piece
            if typing and (found := said.find(typing[0][0].encode(), answered)) >= 0:
                prompt, answer = typing.pop(0)
                answered = found + len(prompt.encode())
                os.write(terminal, answer.encode())
    return said.decode(errors="replace")
