"""Each service installs into an environment of its own, with nothing but what it names, and starts there."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from posada_embedded.nats import NatsServer
from posada_embedded.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "pyproject.toml").exists())
UV = Path(sys.executable).with_name("uv")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _workspace_needs(folder: Path) -> set[Path]:
    """The folder and every workspace package that it needs, directly or not."""
    members = {path.parent for path in ROOT.glob("*/*/pyproject.toml")}
    by_name = {tomllib.loads((path / "pyproject.toml").read_text())["project"]["name"]: path for path in members}
    found, todo = set(), [folder]
    while todo:
        path = todo.pop()
        found.add(path)
        needs = tomllib.loads((path / "pyproject.toml").read_text())["project"]["dependencies"]
        todo += [by_name[need] for need in needs if need in by_name and by_name[need] not in found]
    return found


def _install(service: str, venv: Path) -> Path:
    python = venv / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    folders = sorted(map(str, _workspace_needs(ROOT / "services" / service)))
    command = [
        str(UV),
        "pip",
        "install",
        "--quiet",
        "--no-sources",  # the workspace's way would be links to these folders
        "--python",
        str(python),
        "-c",
        str(ROOT / "constraints.txt"),
        *folders,
    ]
    subprocess.run(command, check=True)
    assert not list(venv.rglob("*editable*")), "what runs is not what was installed"
    return python


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_installs_and_starts_alone(
    service: str, tmp_path: Path, nats_server: NatsServer, postgres_server: PostgresServer
) -> None:
    python = await asyncio.to_thread(_install, service, tmp_path / "venv")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "POSADA_DATA": str(tmp_path / "data"),
        "POSADA_NATS_URL": nats_server.url,
        "POSADA_REGISTRY_POSTGRES_DSN": postgres_server.dsn,
        "POSADA_GATEWAY_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        python,
        "-m",
        f"posada_{service.replace('-', '_')}",
        env=env,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(60):
            while b'"serving"' not in said and b'{"url"' not in said:
                line = await process.stdout.readline()
                assert line, f"it ended instead of serving:\n{said.decode()}"
                said += line
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            rest, _ = await process.communicate()
        assert process.returncode == 0, (said + rest).decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
