"""The container files: what they say is what the services know. Nothing is built here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from posada_browser_runner.settings import Settings as RunnerSettings
from posada_embedded.nats import find_nats_server
from posada_gateway.settings import GatewaySettings
from posada_onebox.settings import Settings as OneboxSettings
from posada_playground.settings import Settings as PlaygroundSettings
from posada_runtime.settings import CommonSettings
from posada_scraper.settings import Settings as ScraperSettings
from posada_session_registry.settings import Settings as RegistrySettings
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE, COMPOSE, EXAMPLE = (
    ROOT / name for name in ("deploy/docker/Dockerfile", "docker-compose.yml", ".env.example")
)
HADOLINT = Path(sys.executable).with_name("hadolint")
SERVICES: dict[str, tuple[type[BaseSettings], ...]] = {
    "session-registry": (CommonSettings, RegistrySettings),
    "browser-runner": (CommonSettings, RunnerSettings),
    "scraper": (CommonSettings, ScraperSettings),
    "gateway": (CommonSettings, GatewaySettings),
    "playground": (PlaygroundSettings,),
}
FILLED_IN = {"POSADA_MASTER_KEY": "0" * 64, "NATS_PASSWORD": "n0", "POSTGRES_PASSWORD": "p0"}


def _compose() -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return said


def _known(*classes: type[BaseSettings]) -> set[str]:
    """The environment variables that these settings are read from."""
    names = set()
    for each in classes:
        prefix = each.model_config["env_prefix"]
        for name, field in each.model_fields.items():
            alias = field.validation_alias
            names.add(str(alias.choices[-1]) if alias is not None else prefix + name.upper())  # type: ignore[union-attr]
    return names


def _stages() -> dict[str, str]:
    """The Dockerfile's stages by name."""
    parts = re.split(r"(?m)^FROM \S+ AS (\S+)$", DOCKERFILE.read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_service_is_an_image_and_a_container() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
    assert folders <= set(SERVICES)
    for name in SERVICES:
        assert name in _stages()
        assert _compose()["services"][name]["build"]["target"] == name


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_one_that_the_service_knows(name: str) -> None:
    in_compose = set(_compose()["services"][name]["environment"])
    in_image = set(re.findall(r"\b(POSADA_[A-Z_]+)=", _stages()[name]))
    assert in_compose | in_image <= _known(*SERVICES[name])


def test_no_container_of_ours_may_more_than_it_needs() -> None:
    for name in SERVICES:
        service = _compose()["services"][name]
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert re.search(r"(?m)^USER [1-9]\d*$", _stages()[name]), f"{name} runs as root"


def test_what_is_published_is_published_on_loopback() -> None:
    for name, service in _compose()["services"].items():
        for port in service.get("ports", []):
            assert port.startswith(("127.0.0.1:", "${POSADA_PUBLISH:-127.0.0.1:")), f"{name}: {port}"


def test_the_master_key_is_given_only_to_those_who_open_logins() -> None:
    holders = {
        name for name, each in _compose()["services"].items() if "POSADA_MASTER_KEY" in each.get("environment", {})
    }
    assert holders == {"session-registry", "browser-runner", "scraper"}


def test_the_example_has_every_value_that_must_be_given_and_no_secret() -> None:
    said = COMPOSE.read_text()
    given = dict(re.findall(r"(?m)^#?([A-Z_]+)=(.*)$", EXAMPLE.read_text()))
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", said))
    assert needed == set(FILLED_IN)
    assert {name for name in needed if given.get(name) == ""} == needed
    assert all(name in said for name in given), "nobody reads it"


def test_images_come_from_the_registry_by_a_fixed_tag() -> None:
    text = DOCKERFILE.read_text()
    assert "# syntax" not in text
    assert set(re.findall(r"COPY --from=(\S+)", text)) <= set(_stages())
    for service in _compose()["services"].values():
        assert not service.get("image", "a:1").endswith(":latest")
        assert ":" in service.get("image", "a:1")


def test_images_are_built_with_the_uv_that_is_pinned() -> None:
    pinned = re.search(r"(?m)^uv==(\S+)$", (ROOT / "constraints.txt").read_text())
    assert pinned is not None
    assert f"uv=={pinned[1]} " in DOCKERFILE.read_text()


def test_images_hold_packages_and_no_links_to_their_sources() -> None:
    installs = re.findall(r"uv pip install .*", DOCKERFILE.read_text())
    assert len(installs) == len(SERVICES)
    assert all("--no-sources" in each for each in installs)


def test_the_settings_are_all_in_the_manual() -> None:
    manual = (ROOT / "docs" / "running-in-production.md").read_text()
    every = _known(OneboxSettings, *(each for classes in SERVICES.values() for each in classes))
    assert set(re.findall(r"(?m)^\| `(POSADA_[A-Z_]+)` \|", manual)) == every


def test_the_nats_server_takes_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text((ROOT / "deploy/nats/nats.conf").read_text().replace('"/data"', f'"{tmp_path}"'))
    env = {"NATS_USER": "posada", "NATS_PASSWORD": FILLED_IN["NATS_PASSWORD"]}
    checked = subprocess.run(
        [find_nats_server(), "-t", "-c", config], env=env, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not here")
def test_the_dockerfile_is_clean() -> None:
    checked = subprocess.run([HADOLINT, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def _has_compose() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not here")
def test_the_compose_file_is_valid() -> None:
    command = [
        "docker",
        "compose",
        "--profile",
        "demo",
        "--profile",
        "observability",
        "-f",
        str(COMPOSE),
        "config",
        "-q",
    ]
    checked = subprocess.run(command, env={**os.environ, **FILLED_IN}, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
