"""A browser's IndexedDB as it lies on disk: packed while the browser stands still, and laid into another one.

No `storage_state` carries everything that IndexedDB can hold (a `CryptoKey` that may not be exported, for one). What
lies on disk does, and Chromium recovers from any moment of it, as after a power cut: so all its processes are stopped
for the milliseconds that a copy takes. A browser opens a site's databases when a page first asks for them, so they can
be laid into one that runs already.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import signal
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from posada_contracts.errors import BrowserFailedError

_FOLDER = Path("Default") / "IndexedDB"
_NOT_PACKED = frozenset({"LOCK", "LOG", "LOG.old"})
Fingerprint = frozenset[tuple[str, int, int]]


class BadArchiveError(BrowserFailedError):
    """What was saved of the browser's profile cannot be unpacked."""


def fingerprint(profile: Path) -> Fingerprint:
    """Names, sizes and times of the files: equal as long as nothing was written. Empty: there is nothing."""
    return frozenset(_stats(profile / _FOLDER))


def _stats(folder: Path) -> Iterator[tuple[str, int, int]]:
    for path in _files(folder):
        with contextlib.suppress(FileNotFoundError):  # compacted away under our eyes
            stat = path.stat()
            yield str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.name not in _NOT_PACKED and path.is_file())


def origins(profile: Path) -> list[str]:
    """The origins that have databases there, as far as their folders' names tell."""
    names = {path.name.split(".indexeddb.")[0] for path in (profile / _FOLDER).glob("*.indexeddb.*")}
    return sorted(filter(None, map(_origin, names)))


def _origin(folder: str) -> str:
    """`https_www.example.org_0` -> `https://www.example.org`; nothing for a folder of another make."""
    scheme, _, rest = folder.partition("_")
    host, _, port = rest.rpartition("_")
    if not host or not port.isdigit():
        return ""
    return f"{scheme}://{host}" + (f":{port}" if port != "0" else "")


def pack(profile: Path, group: int | None) -> bytes:
    """What lies there, as a tar file; `group` is the process group to stop meanwhile, `None` when it is dead."""
    with _still(group):
        found = [(str(path.relative_to(profile)), path.read_bytes()) for path in _files(profile / _FOLDER)]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for name, content in found:
            entry = tarfile.TarInfo(PurePosixPath(Path(name)).as_posix())
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def unpack(archive: bytes, profile: Path) -> None:
    """Lay it into a profile that has no databases yet.

    Raises:
        BadArchiveError: it is none of ours, or damaged.
        OSError: the disk is full.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as packed:
            for entry in packed:
                target = (profile / entry.name).resolve()
                content = packed.extractfile(entry)
                if content is None or not target.is_relative_to((profile / _FOLDER).resolve()):
                    raise BadArchiveError
                target.parent.mkdir(0o700, parents=True, exist_ok=True)
                target.write_bytes(content.read())
    except (tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise BadArchiveError from error


@contextlib.contextmanager
def _still(group: int | None) -> Iterator[None]:
    """Stop a process group for as long as the block runs."""
    stopped = group is not None and sys.platform != "win32" and _signal(group, signal.SIGSTOP)
    try:
        yield
    finally:
        if stopped and group is not None:
            _signal(group, signal.SIGCONT)


def _signal(group: int, number: signal.Signals) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
