"""Files that hold a secret."""

import os
from pathlib import Path


def write_secret(file: Path, text: str) -> None:
    """Write all of it or nothing, readable by the owner alone from the first byte on."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    new.rename(file)
