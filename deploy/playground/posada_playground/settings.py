"""What a playground can be told from outside."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment, prefix ``POSADA_PLAYGROUND_``."""

    model_config = SettingsConfigDict(env_prefix="POSADA_PLAYGROUND_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)  #: 0 takes a free port
    public_url: str = ""  #: how browsers reach the sites, when not by host and port
    seed: int = 7  #: the same seed makes the same people
    friends: int = Field(default=340, ge=0, le=5000)  #: of the main target, lucia.fernandez
    page_size: int = Field(default=24, ge=1, le=100)  #: friends per loaded page
    page_delay_ms: int = Field(default=120, ge=0)  #: how long each loaded page is held back
    calls_per_second: int = Field(default=10, ge=1)  #: graphql calls a login may make before a 429
    analysts: int = Field(default=10, ge=0, le=500)  #: accounts analyst1@example.test and on
    password: str = "carabook-1234"  # noqa: S105  every made-up account has the same
    control_key: str = ""  #: bearer key of /control; empty makes one and prints it
