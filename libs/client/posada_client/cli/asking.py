"""Secrets that are typed without being shown, and jobs that wait for one."""

from __future__ import annotations

import sys
from getpass import getpass

from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli
from posada_client.errors import PosadaProblem
from posada_client.models import Job, Need

#: What is asked for, as people call it.
_NAMES = {"mfa_code": "Code"}
#: Statuses of input that came too late, or that somebody else has given already.
_NOT_WAITED_FOR = frozenset({404, 409, 410})


def typed(what: str) -> str:
    """What somebody types at the terminal, without showing it.

    Raises:
        CommandError: they type nothing.
        KeyboardInterrupt: they would rather not.
    """
    try:
        value = getpass(f"{what}: ").strip()
    except EOFError:
        value = ""
    if not value:
        raise CommandError(Code.USAGE, f"Nothing was typed for: {what.lower()}.")
    return value


def line_of_stdin(what: str) -> str:
    """The next line of stdin. Raises CommandError when there is none."""
    value = sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise CommandError(Code.USAGE, f"stdin has no line for: {what.lower()}.")
    return value


def typed_or_piped(name: str) -> str:
    """What a job waits for: typed at the terminal, or else the next line of stdin. Raises CommandError."""
    return typed(called(name)) if sys.stdin.isatty() else line_of_stdin(called(name))


def called(name: str) -> str:
    """What a job waits for, as people call it."""
    return _NAMES.get(name, name)


class Needs:
    """What one job asks for while it is being waited for: each need is asked for once."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self._met: list[Need] = []

    def new(self, job: Job) -> Need | None:
        """What the job waits for, where that has not been asked for yet."""
        return job.needs if job.state == "needs_user" and job.needs not in self._met else None

    def meet(self, job: Job, need: Need) -> None:
        """Ask at the terminal and pass it on; without one, say how to give it."""
        self._met.append(need)
        self._cli.screen.say(f"{need.detail or f'The job waits for: {called(need.what)}.'}", "yellow")
        if not sys.stdin.isatty():
            return self._cli.screen.say(f"`posada jobs input {job.id} {need.what}` gives it.")
        while not self._given(job, need):
            pass
        return None

    def _given(self, job: Job, need: Need) -> bool:
        """Whether it is settled; False to ask once more for what was no code at all."""
        try:
            value = typed(called(need.what))
            self._cli.client.jobs.give_input(job.id, {need.what: value})
        except CommandError as error:
            self._cli.screen.say(str(error), "red")
            return False
        except PosadaProblem as problem:
            self._cli.screen.say(problem.detail or problem.title, "red")
            if problem.status not in _NOT_WAITED_FOR and problem.status != 422:
                raise
            return problem.status in _NOT_WAITED_FOR
        return True
