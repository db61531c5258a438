"""`posada tokens`: fetched through a login form, and read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from posada_client.cli.asking import line_of_stdin, typed
from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli, here
from posada_client.cli.jobs import Timeout, Wait, present, wait_for
from posada_client.cli.screen import printable
from posada_client.models import Token

app = typer.Typer(no_args_is_help=True, help="Tokens through a platform's login form.")

Owner = Annotated[str, typer.Argument(metavar="OWNER")]
Platform = Annotated[str, typer.Argument(metavar="PLATFORM")]


@app.command()
def get(
    context: typer.Context,
    owner: Owner,
    platform: Platform,
    value: Annotated[bool, typer.Option("--value", help="Print the token itself; that is put on record.")] = False,
) -> None:
    """Show whether there is a token and until when; with --value, print it. Exit code 1 when none is valid."""
    cli = here(context)
    if value:
        return _print_value(cli, owner, platform)
    token = cli.client.tokens.get(owner, platform)
    if cli.screen.as_json:
        cli.screen.document(token)
    else:
        cli.screen.pairs(_fields(token))
    if token.status != "valid":
        raise typer.Exit(Code.FAILED)
    return None


@app.command()
def fetch(
    context: typer.Context,
    *,
    owner: Owner,
    platform: Platform,
    username: Annotated[str, typer.Option(help="As the platform's login form wants it.")],
    mfa_code: Annotated[str, typer.Option(metavar="CODE", help="A code that is good just now, if you have it.")] = "",
    with_totp: Annotated[
        bool, typer.Option("--with-totp", help="Ask for the TOTP secret, too: later tokens need no code then.")
    ] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="The password is the first line of stdin, a TOTP secret the next.")
    ] = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Log in through the platform's form and keep the token it gives. Exit code 1 when that does not succeed.

    The password is asked for, and never an argument. So is a code, when the platform wants one.
    """
    cli = here(context)
    secret = _reader(piped=password_stdin)
    password = secret("Password")
    totp = secret("TOTP secret") if with_totp else None
    job = cli.client.tokens.fetch(
        owner, platform, username=username, password=password, mfa_code=mfa_code or None, totp_secret=totp
    )
    if wait:
        job = wait_for(cli, job, timeout)
    present(cli, job, head=False)
    if not wait:
        return
    if job.state != "succeeded":
        raise typer.Exit(Code.FAILED)
    if not cli.screen.as_json:
        cli.screen.say(f"`posada tokens get {owner} {platform} --value` prints the token.", "dim")


def _reader(*, piped: bool) -> Callable[[str], str]:
    """What reads secrets. Raises CommandError where nobody can be asked."""
    if piped:
        return line_of_stdin
    if not sys.stdin.isatty():
        raise CommandError(Code.USAGE, "Nobody can be asked for the password here: say --password-stdin.")
    return typed


def _print_value(cli: Cli, owner: str, platform: str) -> None:
    found = cli.client.tokens.value(owner, platform)
    cli.screen.say("That this token was read, and with which key, is on record now.", "yellow")
    if cli.screen.as_json:
        return cli.screen.document(found)
    return print(printable(found.token) if sys.stdout.isatty() else found.token)


def _fields(token: Token) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("owner", token.owner), ("platform", token.platform)]
    fields += [("session", token.session_id), ("status", token.status), ("stored", token.stored_at)]
    return [*fields, ("expires", token.expires_at)]
