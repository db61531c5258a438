"""What all routes share: the people, the logins and the switches of one playground."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.templating import Jinja2Templates
from starlette.requests import HTTPConnection

from posada_playground.faults import Faults
from posada_playground.hub.portal import Portal
from posada_playground.lab.visitors import Visitors
from posada_playground.logins import Account, Logins
from posada_playground.people import People, populate
from posada_playground.settings import Settings
from posada_playground.traffic import RequestLog
from posada_playground.whatsapp.switchboard import Switchboard

HERE = Path(__file__).parent

ANALYSTS = (
    ("Ana Robles Vidal", "ana.robles"),
    ("Bruno Salas Mora", "bruno.salas"),
    ("Carla Nieto Paz", "carla.nieto"),
)
EMAILS = ("ana@example.test", "bruno@example.test", "carla@example.test")
LOCKED = "carla@example.test"
NO_STORE = {"Cache-Control": "private, no-store"}

templates = Jinja2Templates(HERE / "templates")


@dataclass(frozen=True, slots=True)
class Site:
    """One playground, from its start to its end."""

    settings: Settings
    people: People
    logins: Logins
    faults: Faults
    log: RequestLog
    visitors: Visitors = field(default_factory=Visitors)
    portal: Portal = field(default_factory=Portal)
    switchboard: Switchboard = field(default_factory=Switchboard)

    def origin(self, request: Request) -> str:
        """Scheme, host and port as browsers see them, without a slash at the end."""
        return (self.settings.public_url or str(request.base_url)).rstrip("/")

    def is_https(self, request: Request) -> bool:
        """Whether cookies may be told to keep to HTTPS."""
        return self.origin(request).startswith("https:")


def make_site(settings: Settings) -> Site:
    numbers = range(1, settings.analysts + 1)
    analysts = [*ANALYSTS, *((f"Analista {n} de Prueba", f"analista.{n}") for n in numbers)]
    emails = [*EMAILS, *(f"analyst{n}@example.test" for n in numbers)]
    people, staff = populate(settings.seed, settings.friends, analysts)
    accounts = [
        Account(email, settings.password, person.id, locked=email == LOCKED)
        for email, person in zip(emails, staff, strict=True)
    ]
    faults = Faults(settings.page_delay_ms, settings.calls_per_second)
    return Site(settings, people, Logins(accounts), faults, RequestLog())


def site_of(request: HTTPConnection) -> Site:
    """The playground that a request came to."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


AtSite = Annotated[Site, Depends(site_of)]
