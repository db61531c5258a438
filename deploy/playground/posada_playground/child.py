"""A playground as a child process: how tests and demos start one and pull its strings."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from posada_playground.settings import Settings


class RefusedError(Exception):
    """The control API did not do as it was told."""


@dataclass(frozen=True, slots=True)
class Playground:
    """A running one: where it is, and the key of its control API."""

    url: str
    key: str
    process: subprocess.Popen[str]

    def control(self, method: str, path: str, **body: object) -> Any:
        """One blocking call below /control; raises `RefusedError` unless it succeeds."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        with closing(HTTPConnection(self.url.removeprefix("http://"), timeout=10)) as connection:
            connection.request(method, f"/control{path}", json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status != 200:
            raise RefusedError(f"{answer.status} {text.decode()}")
        return json.loads(text)


@contextmanager
def running(**settings: object) -> Iterator[Playground]:
    """Starts one with fields of `Settings`, on a free port unless told otherwise; ends it at the end."""
    given = {f"{Settings.model_config['env_prefix']}{name}".upper(): str(value) for name, value in settings.items()}
    with subprocess.Popen(
        [sys.executable, "-m", "posada_playground"],
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Playground(said["url"], said.get("control_key") or str(settings["control_key"]), process)
        finally:
            process.terminate()
