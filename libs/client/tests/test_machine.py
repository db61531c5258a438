"""`posada up`, `down` and `doctor` on a machine of its own.

What `up` starts here is a stand-in that serves the contract of `run.json`; the real one is started elsewhere.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .gateway import open_house
from .terminal import Shell

ONEBOX = """
import json, os, pathlib, signal, sys, threading
import psutil
sys.path.insert(0, {root!r})
from libs.client.tests.gateway import open_house

mode = os.environ.get("STAND_IN", "")
print("the stand-in starts", flush=True)
if mode == "fails":
    print("no room at the inn", flush=True)
    sys.exit(7)
data = pathlib.Path(os.environ["POSADA_DATA"])
house, server = open_house()
(data / "admin.key").write_text("psd_test_secret\\n")
run = {{"ready": True, "gateway_url": house.url, "started_at": psutil.Process().create_time(),
       "admin_key_file": str(data / "admin.key"), "playground_url": "http://127.0.0.1:9", "mqtt_port": 1883,
       "nats_url": "nats://posada:n4ts@127.0.0.1:4222", "postgres_dsn": "postgresql://posada:pg@127.0.0.1:5432/posada",
       "pids": {{"onebox": os.getpid()}}}}
(data / "run.json").write_text(json.dumps(run))
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
stop.wait()
(data / "run.json").unlink()
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Shell]:
    """A machine where the platform is installed; nothing of it lives on."""
    package = tmp_path / "packages" / "posada_onebox"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    root = str(Path(__file__).parents[3])
    (package / "__main__.py").write_text(ONEBOX.format(root=root))
    shell = Shell(tmp_path, {"PYTHONPATH": str(package.parent), "POSADA_DATA": str(tmp_path / "data")})
    yield shell
    run_file = tmp_path / "data" / "run.json"
    if run_file.exists():
        pid = json.loads(run_file.read_text())["pids"]["onebox"]
        if psutil.pid_exists(pid) and "posada_onebox" in " ".join(psutil.Process(pid).cmdline()):
            os.kill(pid, signal.SIGKILL)


def test_up_starts_it_once_and_down_ends_it(machine: Shell, tmp_path: Path) -> None:
    up = machine.run("up")
    assert up.code == 0, up.err
    assert "http://127.0.0.1" in up.out
    assert "n4ts" not in up.out
    assert "nats://127.0.0.1:4222" in up.out
    pid = json.loads((tmp_path / "data" / "run.json").read_text())["pids"]["onebox"]
    assert os.getsid(pid) == pid  # what ends the terminal does not end it
    again = machine.run("up", "--json")
    assert (again.code, again.json["started"], "already running" in again.err) == (0, False, True)
    assert machine.run("stats").code == 0  # address and key come from run.json
    down = machine.run("down")
    assert (down.code, "has stopped" in down.err) == (0, True)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    nothing = machine.run("down", "--json")
    assert (nothing.code, nothing.json["stopped"]) == (0, False)


def test_a_start_that_fails_shows_the_end_of_the_log(machine: Shell) -> None:
    up = machine.run("up", STAND_IN="fails")
    assert up.code == 1
    assert "no room at the inn" in up.err
    assert "exit code 7" in up.err


def test_the_local_key_goes_to_no_other_address(machine: Shell) -> None:
    assert machine.run("up").code == 0
    other, server = open_house()
    assert machine.run("stats", "--url", other.url).code == 4
    assert "authorization" not in other.seen[0].headers
    server.shutdown()
    server.server_close()
    assert machine.run("down").code == 0


def test_down_ends_no_process_that_came_by_the_same_id(machine: Shell, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        (tmp_path / "data").mkdir()
        run = {"gateway_url": "http://127.0.0.1:1", "started_at": 12345.0, "pids": {"onebox": innocent.pid}}
        (tmp_path / "data" / "run.json").write_text(json.dumps(run))
        down = machine.run("down")
        assert (down.code, "is not running" in down.err) == (0, True)
        assert innocent.poll() is None
        innocent.kill()


def test_doctor_says_what_there_is_and_that_nothing_runs(lonely: Shell) -> None:
    found = lonely.run("doctor", "--json")
    checks = {check["name"]: check for check in found.json["checks"]}
    assert checks["Python"]["level"] == "ok"
    assert checks["Running"]["fix"] == "posada up"
    assert checks["Chromium"]["level"] == "ok"
    assert (found.code, found.json["ok"]) == (0, True)


def test_doctor_names_what_is_missing_and_how_to_get_it(lonely: Shell, tmp_path: Path) -> None:
    data = tmp_path / ".posada"
    data.mkdir()
    (data / "master.key").write_text("00")
    (data / "master.key").chmod(0o644)
    found = lonely.run("doctor", POSADA_RUNNER_CHROMIUM="/nowhere/chromium")
    assert found.code == 1
    assert "playwright install chromium" in found.out
    assert f"chmod 600 {data / 'master.key'}" in found.out
    assert "Missing: Chromium, Master key." in found.err


def test_doctor_asks_a_platform_that_runs_for_its_health(machine: Shell) -> None:
    assert machine.run("up").code == 0
    names = [check["name"] for check in machine.run("doctor", "--json").json["checks"]]
    assert "Health: nats" in names
    assert machine.run("down").code == 0
