"""The house as a whole: health, numbers, platforms, replay and audit."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from posada_contracts.browser import GetRunnerStats, RunnerStats
from posada_contracts.errors import OutcomeUnknownError, UnavailableError
from posada_contracts.house import AuditLog, AuditReport, Counts, GetCounts, ReplayReadModels, ReplayReport
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from posada_gateway.access import HouseAdmin, TheHouse, Visitor, Who, keyed_router
from posada_gateway.answering import answer
from posada_gateway.health import without_messages
from posada_gateway.house import House
from posada_gateway.models import Replay
from posada_gateway.problems import answers
from posada_gateway.views import Alive, HouseHealth, PlatformPage, RunnerUse, Stats

REPLAY_SECONDS = 600.0
SCRAPE_SECONDS = 1.0

router = keyed_router("house")
open_router = APIRouter(tags=["health"])


@open_router.get("/livez", response_model=Alive)
async def livez() -> Response:
    """The process is alive."""
    return answer(Alive())


@open_router.get("/readyz", response_model=Alive, responses=answers(503))
async def readyz(house: TheHouse) -> Response:
    """Traffic may come: NATS is there and the keys are known."""
    if not house.ready:
        raise UnavailableError("not ready to take traffic")
    return answer(Alive())


@open_router.get("/health", response_model=HouseHealth, responses={503: {"model": HouseHealth}})
async def health(house: TheHouse, visitor: Visitor) -> Response:
    """Every dependency, probed for real. What is said of each is for those who show a key."""
    found = await house.prober.probe()
    shown = found if visitor is not None else without_messages(found)
    return answer(shown, 200 if found.status == "ok" else 503)


async def own_runners(house: House, tenant: str) -> list[RunnerStats]:
    """Every runner that answers just now, with those of its browsers that are the tenant's."""
    if not house.bus.connected:
        return []
    told = await house.bus.ask_all(GetRunnerStats(tenant=tenant))
    return [
        replace(each, browsers=[use for use in each.browsers if use.tenant == tenant])
        for each in sorted(told, key=lambda each: each.runner)
    ]


@router.get("/v1/stats", response_model=Stats, responses=answers(504))
async def stats(house: TheHouse, who: Who) -> Response:
    """Counts by status, the pool, the queue, and what each of the tenant's browsers takes."""
    counts = await house.ask(GetCounts(tenant=who.tenant))
    runners = await own_runners(house, who.tenant)
    return answer(
        Stats(
            sessions=counts.sessions,
            jobs=counts.jobs,
            queue={
                "queued": counts.jobs.get("queued", 0),
                "running": counts.jobs.get("running", 0),
                "browsers": sum(runner.queued for runner in runners),
            },
            browsers=sum(len(runner.browsers) for runner in runners),
            max_browsers=sum(runner.max_browsers for runner in runners),
            runners=[RunnerUse(**vars(runner)) for runner in runners],
            projected=counts.projected,
            logged=counts.logged,
        )
    )


@router.get("/v1/platforms", response_model=PlatformPage)
async def platforms(house: TheHouse, who: Who) -> Response:
    """The platforms that sessions can be made on, and what jobs each can do."""
    known = await house.platforms.known(who.tenant)
    return answer(PlatformPage(items=[known[name] for name in sorted(known)]))


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(house: TheHouse, who: Who) -> Response:
    """Prometheus' text format: this process's requests and the tenant's counts."""
    counts: Counts | None = None
    try:
        counts = await house.ask(GetCounts(tenant=who.tenant), timeout=SCRAPE_SECONDS)
    except (UnavailableError, OutcomeUnknownError):
        counts = None
    text = house.metrics.render(counts, await own_runners(house, who.tenant))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.post("/v1/replay", response_model=ReplayReport, responses=answers(400, 409, 413, 422, 504))
async def replay(body: Replay, house: TheHouse, who: HouseAdmin) -> Response:
    """Build the read models anew from the log; compare them with the live ones, or put them in their place."""
    command = ReplayReadModels(tenant=who.tenant, actor=who.actor, verify=body.verify, swap=body.from_scratch)
    return answer(await house.ask(command, timeout=REPLAY_SECONDS))


@router.get("/v1/audit", response_model=AuditReport, responses=answers(504))
async def audit(house: TheHouse, who: HouseAdmin) -> Response:
    """Walk the whole log: versions without gaps, hashes that chain, every event readable."""
    return answer(await house.ask(AuditLog(tenant=who.tenant), timeout=REPLAY_SECONDS))
