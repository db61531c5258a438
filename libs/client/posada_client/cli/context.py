"""What every command is given: where Posada is, with which key, and what to show on."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import typer

from posada_client.cli.codes import Code, CommandError
from posada_client.cli.screen import Screen
from posada_client.client import PosadaClient
from posada_client.errors import NotRunningError
from posada_client.place import Running, data_dir, read_running


class Cli:
    """The global options, resolved when a command needs them."""

    def __init__(self, *, url: str | None, key: str | None, as_json: bool) -> None:
        self._url, self._key = url, key
        self.screen = Screen(as_json=as_json)

    @cached_property
    def data(self) -> Path:
        """The data directory of this machine's Posada."""
        return data_dir()

    @cached_property
    def running(self) -> Running | None:
        """What this machine's Posada says of itself."""
        return read_running(self.data)

    @cached_property
    def url(self) -> str:
        """The gateway's address. Raises NotRunningError when nothing names one."""
        if self._url:
            if not self._url.startswith(("http://", "https://")):
                raise CommandError(Code.USAGE, f"{self._url!r} is no address: it begins with http:// or https://.")
            return self._url.rstrip("/")
        if self.running is None:
            raise NotRunningError(str(self.data), "no run.json there")
        return self.running.gateway_url

    @cached_property
    def client(self) -> PosadaClient:
        """A client of the gateway."""
        key = self._key or self._local_key()
        if key is not None and not (key.isascii() and key.isprintable()):
            raise CommandError(Code.USAGE, "The key has characters that no key has.")
        return PosadaClient(self.url, key)

    def _local_key(self) -> str | None:
        """This machine's admin key; it goes to this machine's Posada and to no other address."""
        if self.running is None or self.running.gateway_url != self.url:
            return None
        return self.running.key(self.data)


def here(context: typer.Context) -> Cli:
    """The `Cli` of a command."""
    cli = context.find_object(Cli)
    assert cli is not None
    return cli
