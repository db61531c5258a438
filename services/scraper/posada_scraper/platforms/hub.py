"""The portal hub: tokens through its login form, one-time codes included. All about it stands in `hub.toml`."""

from __future__ import annotations

from importlib.resources import files

from posada_scraper.forms.data import parse
from posada_scraper.platforms.forms import FormSite


class Hub(FormSite):
    """With another base URL it works on a look-alike, by the same data file."""

    def __init__(self, base_url: str | None = None) -> None:
        super().__init__("hub", parse((files(__package__) / "hub.toml").read_bytes()), base_url)
