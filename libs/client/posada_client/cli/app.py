"""The `posada` command line: global options, commands, and errors as exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from posada_client.cli import browser, events, house, importing, jobs, link, machine, sessions, tokens
from posada_client.cli.codes import MEANINGS, CommandError, code_of
from posada_client.cli.context import Cli
from posada_client.cli.doctor import command as doctor
from posada_client.cli.screen import Screen
from posada_client.cli.stats import stats
from posada_client.errors import ClientError, PosadaProblem

_EXITS = "\n\n".join(f"{int(code)}: {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="posada",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes:\n\n{_EXITS}",
)
app.command()(machine.up)
app.command()(machine.down)
app.command()(doctor.doctor)
app.command()(house.health)
app.command()(stats)
app.add_typer(sessions.app, name="sessions")
sessions.app.command("import")(importing.import_)
app.add_typer(browser.app, name="browser")
app.add_typer(link.app, name="link")
app.add_typer(tokens.app, name="tokens")
app.add_typer(jobs.app, name="jobs")
app.command()(events.events)
app.command()(house.replay)
app.add_typer(house.audit_app, name="audit")
app.add_typer(house.keys_app, name="keys")

#: Global options and whether a value follows.
_GLOBAL = {"--url": True, "--key": True, "--json": False}


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="POSADA_URL", help="The gateway; otherwise this machine's own.")] = "",
    key: Annotated[str, typer.Option(envvar="POSADA_KEY", help="The API key; otherwise this machine's own.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")] = False,
) -> None:
    """Posada: every user, account and device has a session of its own.

    Without --url and --key, the Posada of this machine is used: $POSADA_DATA/run.json (.posada/run.json) names it.
    """
    context.obj = Cli(url=url or None, key=key or None, as_json=as_json)


def main() -> None:
    """Run the command line and exit with a code that means something."""
    arguments = global_options_first(sys.argv[1:])
    try:
        app(args=arguments, prog_name="posada")
    except ClientError as error:
        _tell(Screen(as_json="--json" in arguments), error)
        sys.exit(code_of(error))


def global_options_first(arguments: Sequence[str]) -> list[str]:
    """The same command line with its global options in front: people write them at the end."""
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for each in waiting:
        if each == "--":
            return [*first, *rest, each, *waiting]
        name, equals, _ = each.partition("=")
        if name not in _GLOBAL:
            rest.append(each)
            continue
        first.append(each)
        if _GLOBAL[name] and not equals:
            first += [value for value in [next(waiting, None)] if value is not None]
    return [*first, *rest]


def _tell(screen: Screen, error: ClientError) -> None:
    """The error for people on stderr, and for programs as the one document on stdout."""
    problem = error if isinstance(error, PosadaProblem) else None
    screen.say(f"{problem.detail or problem.title} ({problem.code})" if problem else str(error), "red")
    faults = (
        [f"{each.get('field')}: {each.get('message')}" for each in problem.extra.get("errors", [])] if problem else []
    )
    for fault in faults:
        if fault not in str(problem):
            screen.say(f"  {fault}")
    for hint in _hints(problem) if problem else ():
        screen.say(hint)
    if problem and problem.trace_id and problem.status >= 500:
        screen.say(f"Trace: {problem.trace_id}", "dim")
    if screen.as_json:
        screen.document({"error": _described(error)})


def _hints(problem: PosadaProblem) -> list[str]:
    """What to do about a problem, where it says so itself."""
    said = {
        "retry_after": f"Try again in {problem.extra.get('retry_after')} s.",
        "job_id": f"`posada jobs wait {problem.extra.get('job_id')}` waits for the job that is at it.",
    }
    return [hint for name, hint in said.items() if problem.extra.get(name)]


def _described(error: ClientError) -> dict[str, object]:
    if isinstance(error, PosadaProblem):
        said = {"status": error.status, "code": error.code, "title": error.title, "detail": error.detail}
        return {**error.extra, **said, "trace_id": error.trace_id}
    kind = error.code.name.lower() if isinstance(error, CommandError) else code_of(error).name.lower()
    return {"code": kind, "detail": str(error)}
