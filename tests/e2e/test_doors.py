"""Every way into a session's browser but DevTools and the live view: WebDriver, pictures, artifacts."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from posada_client import PosadaClient
from posada_client.models import Session
from posada_testkit.driving import bearer, call, driven, opened, page_of, until, usage
from posada_testkit.house import House
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.common.by import By

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

_numbers = itertools.count()
T = TypeVar("T")
# A client that says when it is in, and then does nothing until it is killed.
CLIENT = """
import sys, time
from selenium.webdriver import ChromeOptions, Remote
driver = Remote(sys.argv[1], options=ChromeOptions())
driver.get("data:text/html,<title>hola</title>")
print(driver.title, flush=True)
time.sleep(600)
"""
PUPPETEER = """
const puppeteer = require("puppeteer-core");
(async () => {
  const [browserWSEndpoint, site] = process.argv.slice(2);
  const browser = await puppeteer.connect({browserWSEndpoint, defaultViewport: null});
  const page = await browser.newPage();
  await page.goto(site);
  console.log(await page.evaluate(() => document.querySelectorAll("[role=feed]").length));
  await page.close();
  await browser.disconnect();
})();
"""


@pytest.fixture
def session(house: House, posada: PosadaClient) -> Session:
    """A fresh session with ana's login."""
    return posada.sessions.create(f"doors-{next(_numbers)}", "facebook", storage_state=house.login("ana"))


def address(house: House, session: Session, key: str | None = None) -> str:
    """Of the session's WebDriver, with a key in it."""
    return f"{house.url}/v1/sessions/{session.id}/webdriver".replace("//", f"//key:{key or house.key}@", 1)


async def driving(house: House, session: Session, do: Callable[[Remote], T]) -> T:
    """What an unmodified Selenium does, in a thread."""

    def run() -> T:
        driver = Remote(address(house, session), options=ChromeOptions())
        try:
            return do(driver)
        finally:
            driver.quit()

    return await asyncio.to_thread(run)


def clients(house: House, session: Session) -> int:
    return (usage(house, session) or {"clients": 0})["clients"]


async def test_an_unmodified_selenium_finds_the_login_and_leaves_the_browser(house: House, session: Session) -> None:
    def look(driver: Remote) -> tuple[int, int]:
        driver.get(f"{house.run['playground_url']}/social/")
        return len(driver.find_elements(By.CSS_SELECTOR, "[role=feed]")), clients(house, session)

    assert await driving(house, session, look) == (1, 1)
    await until(lambda: clients(house, session) == 0, "it has gone")
    assert usage(house, session) is not None


async def test_selenium_and_playwright_drive_the_same_browser(house: House, session: Session) -> None:
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/?von=playwright")
        seen = await driving(house, session, _urls)
    assert any(url.endswith("von=playwright") for url in seen)


def _urls(driver: Remote) -> list[str]:
    found = []
    for handle in driver.window_handles:
        driver.switch_to.window(handle)
        found.append(driver.current_url)
    return found


async def test_a_selenium_client_that_was_killed_frees_the_browser_within_seconds(
    house: House, session: Session
) -> None:
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, address(house, session), stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    assert await asyncio.wait_for(client.stdout.readline(), 60) == b"hola\n"
    assert clients(house, session) == 1
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await until(lambda: clients(house, session) == 0, "the browser is free", within_s=5)
    assert usage(house, session) is not None


async def test_a_client_behind_a_proxy_is_missed_when_its_own_connection_has_gone(
    house: House, session: Session
) -> None:
    door = f"{house.url}/v1/sessions/{session.id}/webdriver/session"
    forwarded = {"X-Forwarded-For": "203.0.113.9", **bearer(house.key)}
    async with httpx.AsyncClient(headers=forwarded, timeout=60) as client:
        made = (await client.post(door, json={"capabilities": {"alwaysMatch": {}}})).json()["value"]
        assert (await client.get(f"{door}/{made['sessionId']}/title")).json() == {"value": ""}
        assert clients(house, session) == 1
    await until(lambda: clients(house, session) == 0, "the browser is free", within_s=5)


def _cdp(driver: Remote, method: str, **params: Any) -> Any:
    driver.command_executor._commands["cdp"] = ("POST", "/session/$sessionId/goog/cdp/execute")
    return driver.execute("cdp", {"cmd": method, "params": params})


def _upload(driver: Remote, path: str) -> None:
    driver.get("data:text/html,<input type=file id=f>")
    element = driver.find_element(By.ID, "f")
    driver.execute("sendKeysToElement", {"id": element.id, "text": path, "value": list(path)})


def _upload_through_a_disguise(driver: Remote) -> None:
    driver.get("data:text/html,<input type=file id=f>")
    driver.execute_script("Object.defineProperty(HTMLInputElement.prototype, 'type', {get: () => 'text'})")
    element = driver.find_element(By.ID, "f")
    driver.execute("sendKeysToElement", {"id": element.id, "text": "/etc/hostname", "value": []})


@pytest.mark.parametrize(
    ("what", "do"),
    [
        ("a file is opened", lambda driver: driver.get("file:///etc/hostname")),
        ("the browser's inside is opened", lambda driver: driver.get("chrome://version")),
        ("DevTools are asked for the machine", lambda driver: _cdp(driver, "SystemInfo.getInfo")),
        ("DevTools are asked for a file", lambda driver: _cdp(driver, "Page.navigate", url="file:///etc/hostname")),
        ("a file of the runner is uploaded", lambda driver: _upload(driver, "/etc/hostname")),
        ("a file of the runner is uploaded by a detour", lambda driver: _upload(driver, " //x/../etc/hostname ")),
        ("a file of the runner is uploaded by a second line", lambda driver: _upload(driver, "x\n\t/etc/hostname")),
        ("a file of the runner is uploaded through a disguise", _upload_through_a_disguise),
    ],
)
async def test_webdriver_refuses_what_devtools_refuse(
    house: House, session: Session, what: str, do: Callable[[Remote], Any]
) -> None:
    with pytest.raises(WebDriverException, match="refused"):
        await driving(house, session, do)


async def test_text_that_looks_like_a_path_may_be_typed(house: House, session: Session) -> None:
    def type_it(driver: Remote) -> str:
        driver.get("data:text/html,<input id=f>")
        field = driver.find_element(By.ID, "f")
        field.send_keys("/ayuda por favor")
        return str(field.get_property("value"))

    assert await driving(house, session, type_it) == "/ayuda por favor"


@pytest.mark.parametrize("path", ["..%2fjson%2fversion", "%2e%2e/json/version", "session//x/url"])
def test_no_address_leads_past_the_rules(house: House, session: Session, path: str) -> None:
    opened(house, session)
    answer = call(house, "GET", f"/v1/sessions/{session.id}/webdriver/{path}")
    assert answer.status_code == 403, answer.text
    assert "webSocketDebuggerUrl" not in answer.text


def test_without_a_key_or_with_another_tenant_s_nobody_comes_in(house: House, session: Session) -> None:
    url = f"{house.url}/v1/sessions/{session.id}/webdriver/session"
    assert httpx.post(url, json={"capabilities": {}}).status_code == 401
    body = {"role": "admin", "tenant": "other", "label": ""}
    other = httpx.post(f"{house.url}/v1/keys", json=body, headers=bearer(house.key)).json()["key"]
    assert httpx.post(url, json={"capabilities": {}}, headers=bearer(other)).status_code == 404
    body = {"role": "viewer", "tenant": "default", "label": ""}
    viewer = httpx.post(f"{house.url}/v1/keys", json=body, headers=bearer(house.key)).json()["key"]
    assert httpx.get(url.removesuffix("/session") + "/status", headers=bearer(viewer)).status_code == 403


@pytest.fixture(scope="session")
def puppeteer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an unmodified Puppeteer and a client in it."""
    folder = tmp_path_factory.mktemp("puppeteer")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no Node here")
    install = [npm, "install", "--no-audit", "--no-fund", "--silent", "puppeteer-core@24"]
    if subprocess.run(install, cwd=folder, check=False, capture_output=True, timeout=150).returncode:
        pytest.skip("Puppeteer cannot be had here")
    (folder / "client.js").write_text(PUPPETEER)
    return folder


async def test_an_unmodified_puppeteer_finds_the_login(house: House, session: Session, puppeteer: Path) -> None:
    door = f"{house.url}/v1/sessions/{session.id}/cdp?key={house.key}".replace("http", "ws", 1)
    node = await asyncio.create_subprocess_exec(
        *("node", "client.js", door, f"{house.run['playground_url']}/social/"),
        cwd=puppeteer,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, problem = await asyncio.wait_for(node.communicate(), 90)
    assert told == b"1\n", problem.decode()
    await until(lambda: clients(house, session) == 0, "it has gone")


async def test_pictures_and_paper_show_the_page_and_open_no_browser(house: House, session: Session) -> None:
    path = f"/v1/sessions/{session.id}"
    assert call(house, "GET", f"{path}/screenshot").json()["code"] == "no_browser"
    assert call(house, "GET", f"{path}/pdf").status_code == 409
    assert usage(house, session) is None
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/")
        seen = await asyncio.to_thread(call, house, "GET", f"{path}/screenshot")
        whole = await asyncio.to_thread(call, house, "GET", f"{path}/screenshot?full_page=true")
        paper = await asyncio.to_thread(call, house, "GET", f"{path}/pdf")
    assert (seen.headers["content-type"], seen.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    assert len(whole.content) > 1000
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")


async def test_a_download_can_be_fetched_as_it_was(house: House, session: Session) -> None:
    script = """() => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(["día;horas\\n1;8\\n"]));
      link.download = "horas de día.csv";
      link.click();
    }"""
    path = f"/v1/sessions/{session.id}/artifacts"
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/")
        await page.evaluate(script)
        (listed,) = await until(lambda: call(house, "GET", path).json()["items"], "the file is kept")
    assert listed["name"] == "horas de día.csv"
    got = call(house, "GET", f"{path}/{listed['id']}")
    assert got.content == "día;horas\n1;8\n".encode()
    assert got.headers["content-disposition"].startswith("attachment;")
    assert call(house, "GET", f"{path}/{'0' * 16}").status_code == 404


def test_the_answer_to_an_open_browser_names_every_door(house: House, session: Session) -> None:
    told = opened(house, session)
    assert told["cdp_url"].endswith(f"/v1/sessions/{session.id}/cdp")
    assert told["webdriver_url"] == f"{house.url}/v1/sessions/{session.id}/webdriver"
    assert told["live_url"] == f"{house.url}/v1/sessions/{session.id}/live"
