"""The machine: Python, room, memory, the data directory and its key, the clock."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path

import psutil

from posada_client.cli.doctor.check import Check

OLDEST = (3, 11)
GIGABYTE = 1024**3
#: Room on the disk and free memory to feel well with, in bytes; a browser takes about 0.2 GB.
ROOM, MEMORY = 2 * GIGABYTE, 1 * GIGABYTE
#: Seconds by which files may lie in the future before the clock is in doubt.
_AHEAD = 120.0


def python() -> Check:
    """The Python that runs this."""
    found = sys.version.split()[0]
    if sys.version_info >= OLDEST:
        return Check(name="Python", level="ok", found=found)
    wanted = ".".join(map(str, OLDEST))
    return Check(name="Python", level="missing", found=found, means="too old", fix=f"install Python {wanted} or newer")


def writable(data: Path) -> Check:
    """Whether the data directory can be made and written."""
    place = nearest(data)
    try:
        with tempfile.TemporaryFile(dir=place):
            return Check(name="Data directory", level="ok", found=str(data))
    except OSError as error:
        found = f"{place}: {error.strerror}"
        fix = "make it writable for this user, or set POSADA_DATA to a directory that is"
        return Check(name="Data directory", level="missing", found=found, means="nothing can be kept", fix=fix)


def room(data: Path) -> Check:
    """Free disk space below the data directory."""
    free = shutil.disk_usage(nearest(data)).free
    found = f"{free / GIGABYTE:.1f} GB free"
    if free >= ROOM:
        return Check(name="Disk", level="ok", found=found)
    means = "the event log refuses to grow when the disk is full"
    return Check(name="Disk", level="warn", found=found, means=means, fix="make room, or set POSADA_DATA elsewhere")


def memory() -> Check:
    """Memory that is free, or can be freed."""
    free = psutil.virtual_memory().available
    found = f"{free / GIGABYTE:.1f} GB available"
    if free >= MEMORY:
        return Check(name="Memory", level="ok", found=found)
    means = "few browsers fit: each takes about 0.2 GB"
    return Check(name="Memory", level="warn", found=found, means=means, fix="end other programs, or lower the pool")


def master_key(data: Path) -> Check:
    """Who may read the key that all logins are sealed with."""
    name = "Master key"
    if os.environ.get("POSADA_MASTER_KEY"):
        return Check(name=name, level="ok", found="in POSADA_MASTER_KEY")
    path = Path(os.environ.get("POSADA_MASTER_KEY_FILE") or data / "master.key")
    if not path.exists():
        return Check(name=name, level="ok", found=f"none yet: the first start makes {path}")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        means = "others on this machine can open every stored login"
        return Check(name=name, level="missing", found=f"{path}, mode {mode:o}", means=means, fix=f"chmod 600 {path}")
    if not os.access(path, os.R_OK):
        means = "stored logins cannot be opened by this user"
        fix = "run Posada as the user whose key it is"
        return Check(name=name, level="missing", found=f"{path} cannot be read", means=means, fix=fix)
    return Check(name=name, level="ok", found=f"{path}, mode {mode:o}")


def clock(data: Path) -> Check:
    """Whether the clock is plausible: it is not behind what was written by it."""
    written = [Path(__file__), *(each for each in (data / "run.json", data / "master.key") if each.exists())]
    ahead = max(path.stat().st_mtime for path in written) - time.time()
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if ahead <= _AHEAD:
        return Check(name="Clock", level="ok", found=found)
    means = "cookies expire at the wrong time, and sites refuse the login"
    fix = "set the clock: timedatectl set-ntp true"
    return Check(name="Clock", level="warn", found=f"{found}, {ahead:.0f} s behind", means=means, fix=fix)


def nearest(path: Path) -> Path:
    """The path itself, or the nearest directory above it that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())
