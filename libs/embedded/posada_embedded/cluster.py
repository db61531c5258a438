"""Where a Postgres cluster lives on disk, how it is made, and which processes work in it.

<data_dir>/                 the launcher's: password, postgres.log
    elsewhere -> <home>     only when the server's account cannot reach data_dir
<home>/                     usually data_dir itself
    lock                    held by the server (see lock.py)
    cluster/                Postgres' own data directory: it is there only when it is complete
    init-*/                 one being made; left over when that was interrupted
"""

import asyncio
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from posada_embedded.accounts import Account, can_reach, owner_of
from posada_embedded.errors import AccountError, StartError
from posada_embedded.polling import true_within
from posada_embedded.process import Argument, Launch, environment, spawn
from posada_embedded.secret_file import write_secret
from posada_embedded.shelter import shelter

#: Seconds a backend gets to notice that its postmaster is dead; an idle one does at once.
GRACE = 1.0

log = logging.getLogger(__name__)


def find_home(data_dir: Path, wanted_shelter: Path | None, account: Account | None) -> Path:
    """The directory that holds, or will hold, the cluster. Raises AccountError."""
    data_dir.mkdir(mode=0o711 if account else 0o700, parents=True, exist_ok=True)
    link = data_dir / "elsewhere"
    if link.exists():
        return link.resolve()
    if account is None or can_reach(data_dir, account) or (data_dir / "cluster").exists():
        return data_dir
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir=shelter(wanted_shelter, account, data_dir)))
    home.chmod(0o711)
    if link.is_symlink():
        log.warning("the database that was in %s is gone: making another", link.readlink())
        link.unlink()
    try:
        link.symlink_to(home)
    except FileExistsError:
        home.rmdir()
        return link.resolve()
    log.warning("%s cannot reach %s: the database is kept in %s", account.name, data_dir, home)
    return home


def remove_home(data_dir: Path) -> None:
    """Delete the cluster, wherever it is, and the launcher's files about it."""
    link = data_dir / "elsewhere"
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()
    for directory in (data_dir / "cluster", *data_dir.glob("init-*")):
        shutil.rmtree(directory, ignore_errors=True)
    for file in (data_dir / "password", data_dir / "lock"):
        file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Recipe:
    """How to make a cluster."""

    bin_dir: Path
    account: Account | None
    user: str
    password: str
    sync: bool
    log_file: Path
    mark: str | None
    timeout: float


@dataclass(frozen=True)
class Cluster:
    """One home and the cluster in it."""

    home: Path

    @property
    def path(self) -> Path:
        return self.home / "cluster"

    def account(self, fallback: Account | None) -> Account | None:
        """Who must run it: whoever owns what is there. Raises AccountError when that cannot work."""
        if not self.path.is_dir():
            return fallback
        if fallback is None:
            if self.path.stat().st_uid != os.geteuid():
                raise AccountError(f"{self.path} belongs to another user: start as that user, or as root.")
            return None
        owner = owner_of(self.path)
        if not can_reach(self.path, owner):
            raise AccountError(f"{owner.name!r} cannot enter {self.path}: chmod o+x the directories that lead there.")
        return owner

    async def make(self, recipe: Recipe, lock_fd: int) -> None:
        """Run initdb in a directory of its own and rename the result: half a cluster is never taken for one.

        Raises StartError.
        """
        for old in self.home.glob("init-*"):
            shutil.rmtree(old)
        work = Path(tempfile.mkdtemp(prefix="init-", dir=self.home))
        try:
            write_secret(work / "password", recipe.password)
            if recipe.account:
                for each in (work, work / "password"):
                    os.chown(each, recipe.account.uid, recipe.account.gid)
            await _initdb(work, recipe, lock_fd)
            (work / "data").rename(self.path)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def postmaster_file(self) -> list[str]:
        """The lines of postmaster.pid: pid first, the status eighth. Empty when there is no such file."""
        try:
            return (self.path / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def live_postmaster(self) -> int | None:
        """The pid in postmaster.pid, if that process works in this very cluster."""
        lines = self.postmaster_file()
        return next((each.pid for each in self._processes() if lines and str(each.pid) == lines[0]), None)

    async def end_leftovers(self) -> None:
        """Wait for what outlives a dead postmaster, or a dead launcher's initdb, then kill it pid by pid.

        Backends lead sessions of their own, so no signal to a group reaches them, and one at work does not
        notice its postmaster's death. As long as they live no other postmaster starts on the cluster.
        """
        await true_within(GRACE, lambda: not self._leftovers())
        left = self._leftovers()
        for each in left:
            log.warning("killing process %d, left over in %s", each.pid, self.home)
            each.kill()
        await true_within(GRACE, lambda: not self._leftovers())

    def _leftovers(self) -> list[psutil.Process]:
        return [] if self.live_postmaster() else self._processes()

    def _processes(self) -> list[psutil.Process]:
        return [each for each in psutil.process_iter() if self._works_here(each)]

    def _works_here(self, process: psutil.Process) -> bool:
        """Every Postgres process' working directory is its cluster; initdb's is the one we gave it."""
        try:
            cwd = process.cwd()
            return cwd.startswith(f"{self.home}/init-") or (cwd == str(self.path) and process.name() == "postgres")
        except psutil.Error:
            return False


async def _initdb(work: Path, recipe: Recipe, lock_fd: int) -> None:
    argv: list[Argument] = [
        recipe.bin_dir / "initdb",
        f"--pgdata={work / 'data'}",
        f"--username={recipe.user}",
        f"--pwfile={work / 'password'}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        *([] if recipe.sync else ["--no-sync"]),
    ]
    launch = Launch(argv, recipe.log_file, environment(recipe.mark), work, lock_fd, recipe.account)
    child = await spawn(launch)
    try:
        async with asyncio.timeout(recipe.timeout):
            code = await child.wait()
    except TimeoutError:
        raise StartError(f"initdb took longer than {recipe.timeout:g} s.", child.log_tail()) from None
    finally:
        child.kill_group()
        await child.wait()
    if code != 0:
        raise StartError(f"initdb ended with code {code}; see {recipe.log_file}", child.log_tail())
