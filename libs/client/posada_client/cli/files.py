"""Files that a command writes: whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli

Write = Callable[[bytes], object]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Instead of stdout.")]


def save(output: Path, fill: Callable[[Write], object]) -> None:
    """Let `fill` write a file; all of it or nothing: a connection that breaks leaves no half a file behind.

    Raises:
        CommandError: it cannot be written.
    """
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            fill(file.write)
        draft.replace(output)
    except OSError as error:
        raise CommandError(Code.INVALID, f"{output} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def deliver(cli: Cli, output: Path | None, fill: Callable[[Write], object]) -> None:
    """Let `fill` write a file, or into a pipe. Raises CommandError where there is neither."""
    if output is not None:
        save(output, fill)
        return (
            cli.screen.document({"file": str(output)})
            if cli.screen.as_json
            else cli.screen.say(f"Written to {output}.")
        )
    if cli.screen.as_json or sys.stdout.isatty():
        raise CommandError(Code.USAGE, "This is no text: name a file with -o FILE, or send it into a pipe.")
    fill(sys.stdout.buffer.write)
    return None
