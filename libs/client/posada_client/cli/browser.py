"""`posada browser`: opened, looked at, driven, closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.status import Status
from rich.text import Text

from posada_client.cli.codes import Code
from posada_client.cli.context import Cli, here
from posada_client.cli.files import Output, deliver
from posada_client.cli.screen import Column, printable
from posada_client.errors import WaitTimeoutError
from posada_client.models import Browser

app = typer.Typer(no_args_is_help=True, help="Sessions' live browsers: open, look at, drive, close.")
artifacts_app = typer.Typer(no_args_is_help=True, help="Files that a session's browsers have downloaded.")
app.add_typer(artifacts_app, name="artifacts")

#: How each address is used; the key is an API key.
EXAMPLES = {
    "cdp_url": 'Playwright: chromium.connect_over_cdp(cdp_url, headers={"Authorization": f"Bearer {key}"})',
    "webdriver_url": "Selenium: webdriver.Remote(webdriver_url, options=webdriver.ChromeOptions())",
    "live_url": "People: open it in a web browser; it asks for the key.",
}

Id = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]


@app.command("open")
def open_(
    context: typer.Context,
    session_id: Id,
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Wait in the queue so long at most.")] = 60,
) -> None:
    """Open a session's browser, or join the one that is open, and tell where to drive it.

    Exit code 1 when it is not open in time, 8 when too many wait already.
    """
    cli = here(context)
    browser = _opened(cli, session_id, wait)
    if cli.screen.as_json:
        cli.screen.document(browser)
    else:
        _show(cli, browser)
    if not browser.is_open:
        cli.screen.say(f"Its place is kept for a while: `posada browser open {session_id}` waits on.")
        raise typer.Exit(Code.FAILED)


@app.command()
def close(context: typer.Context, session_id: Id) -> None:
    """Save a session's login and close its browser, whoever is connected."""
    cli = here(context)
    closed = cli.client.browsers.close(session_id)
    if cli.screen.as_json:
        return cli.screen.document({"session_id": session_id, "closed": closed})
    return cli.screen.say("The login is saved, the browser is closed." if closed else "No browser was open.")


@app.command()
def screenshot(
    context: typer.Context,
    session_id: Id,
    output: Output = None,
    full_page: Annotated[bool, typer.Option("--full-page", help="The whole page, not only what shows.")] = False,
) -> None:
    """Take a picture (PNG) of what a session's page shows."""
    cli = here(context)
    deliver(cli, output, lambda write: write(cli.client.browsers.screenshot(session_id, full_page=full_page)))


@app.command()
def pdf(context: typer.Context, session_id: Id, output: Output = None) -> None:
    """Print a session's page into a PDF."""
    cli = here(context)
    deliver(cli, output, lambda write: write(cli.client.browsers.pdf(session_id)))


@app.command()
def live(context: typer.Context, session_id: Id) -> None:
    """Print the address where a web browser shows a session's browser, and hands it mouse and keyboard."""
    cli = here(context)
    url = cli.client.browsers.live_url(cli.client.sessions.get(session_id).id)
    if cli.screen.as_json:
        return cli.screen.document({"session_id": session_id, "live_url": url})
    print(url)
    return cli.screen.say("Open it in a web browser. It asks for an API key.", "dim")


@artifacts_app.command("ls")
def list_artifacts(context: typer.Context, session_id: Id) -> None:
    """List the files, newest first."""
    cli = here(context)
    found = list(cli.client.browsers.artifacts(session_id))
    if cli.screen.as_json:
        return cli.screen.document(found)
    columns = [Column("id"), Column("name"), Column("bytes", 1, right=True), Column("at", 2), Column("from", 3)]
    rows = [(each.id, each.name, each.size, each.at, each.url) for each in found]
    return cli.screen.table(columns, rows, empty="Nothing was downloaded.")


@artifacts_app.command("get")
def get_artifact(
    context: typer.Context,
    session_id: Id,
    artifact_id: Annotated[str, typer.Argument(metavar="ID", help="As `artifacts ls` lists it.")],
    output: Output = None,
) -> None:
    """Write one of the files."""
    cli = here(context)
    deliver(cli, output, lambda write: cli.client.browsers.artifact(session_id, artifact_id, write))


def _opened(cli: Cli, session_id: str, seconds: float) -> Browser:
    """The browser, open or as it is when the time is over; its way there is shown on stderr."""
    seen = [Browser(state="queued")]

    def waiting(tell: Callable[[Browser], None]) -> Browser:
        def change(browser: Browser) -> None:
            seen[0] = browser
            if not browser.is_open:
                tell(browser)

        try:
            return cli.client.browsers.wait(session_id, change, timeout=seconds)
        except WaitTimeoutError:
            return seen[0]

    if not cli.screen.err.is_terminal:
        return waiting(lambda browser: cli.screen.say(_where(browser)))
    with Status("Opening …", console=cli.screen.err) as status:
        return waiting(lambda browser: status.update(_where(browser)))


def _where(browser: Browser) -> str:
    if browser.position is None:
        return f"The browser is {browser.state} …"
    return f"Waiting for a browser: position {browser.position} in the queue …"


def _show(cli: Cli, browser: Browser) -> None:
    """Every address there is, in one piece each, and a line that uses it."""
    if not browser.is_open:
        return cli.screen.pairs([("state", browser.state), ("position", browser.position)])
    addresses = {"cdp_url": browser.cdp_url, "webdriver_url": browser.webdriver_url, "live_url": browser.live_url}
    for name, value in {"state": browser.state, **addresses}.items():
        if value:
            line = Text.assemble((f"{name:<15}", "dim"), printable(value))
            if name in EXAMPLES:
                line.append(f"\n{'':<15}{EXAMPLES[name]}", "dim")
            cli.screen.out.print(line, soft_wrap=True)
    return None
