"""Which platforms there are: every entry point in the group `posada.platforms`, our own and plug-ins' alike.

[project.entry-points."posada.platforms"]
facebook = "posada_scraper.platforms.facebook:Facebook"
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import msgspec
from posada_runtime.log import get_logger

from posada_scraper.platforms.base import Platform
from posada_scraper.platforms.forms import from_file

GROUP = "posada.platforms"


def discover(base_urls: Mapping[str, str], form_files: Path | None = None) -> dict[str, Platform]:
    """Every platform by its name. A plug-in that does not load is logged and left out: the others work on.

    Args:
        form_files: a directory of data files; each makes a platform of a login form, as docs/platforms.md tells.
    """
    found: dict[str, Platform] = {}
    for entry in entry_points(group=GROUP):
        try:
            platform: Platform = entry.load()(base_urls.get(entry.name))
        except Exception as error:  # whatever somebody else's code raises
            get_logger().error("platform_not_loaded", platform=entry.name, error=type(error).__name__)
            continue
        found[platform.name] = platform
    for path in sorted(form_files.glob("*.toml")) if form_files else []:
        try:
            found[path.stem] = from_file(path, base_urls.get(path.stem))
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            get_logger().error("platform_not_loaded", platform=path.stem, error=type(error).__name__, why=str(error))
    return found
