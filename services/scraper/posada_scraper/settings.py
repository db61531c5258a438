"""What scraper is told from the environment, with the prefix `POSADA_SCRAPER_`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The scraper's own settings; the common ones stand in `posada_runtime.settings`. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="POSADA_SCRAPER_", frozen=True, extra="ignore")

    workers: int = Field(default=4, ge=1)  #: jobs that one process works on at once
    max_attempts: int = Field(default=5, ge=1)  #: how often a job is begun before it is given up
    ack_wait_s: float = Field(default=8.0, gt=0)  #: a worker silent for so long counts as dead
    retry_s: float = Field(default=2.0, ge=0)  #: pause before the second attempt; doubles with each one, up to 60 s
    progress_s: float = Field(default=1.0, ge=0)  #: at most one progress event in so many seconds
    base_urls: dict[str, str] = Field(default_factory=dict)  #: platform -> where it is, instead of its own address
    probe_timeout_s: float = Field(default=10.0, gt=0)  #: of one request of a login check
    registry_patience_s: float = 10.0  #: how long session-registry may be away
    browser_patience_s: float = 60.0  #: how long browser-runners may be away, or full, before a job goes back
    reopen_patience_s: float = 15.0  #: the same, after the browser died in the middle of a job
    browser_deaths: int = Field(default=3, ge=0)  #: how often one attempt may open the browser again
    form_workers: int = Field(default=2, ge=1)  #: login forms that one process drives at once; the rest queue
    form_step_s: float = Field(default=20.0, gt=0)  #: how long one step of a login may take
    form_login_s: float = Field(default=120.0, gt=0)  #: how long all of it may, but for waiting for a person
    form_input_s: float = Field(default=300.0, gt=0)  #: how long a job waits for a person
    form_files: Path | None = None  #: a directory of data files, each of which makes a platform of a login form
    link_patience_s: float = Field(default=120.0, gt=0)  #: how long a code waits to be scanned
