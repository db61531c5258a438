"""The event log: of one session, of one job, of the tenant. As pages, or as a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header, Query
from posada_contracts.access import KeyEvent
from posada_contracts.errors import InvalidInputError, NotFoundError
from posada_contracts.job import GetJob
from posada_contracts.session import GetSession, SessionView
from posada_contracts.streams import about_session, of_aggregate, of_tenant
from posada_runtime.wire import Recorded
from starlette.responses import Response

from posada_gateway import trail
from posada_gateway.accept import JSON, SSE, best
from posada_gateway.access import TheHouse, Who, keyed_router
from posada_gateway.answering import answer
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.problems import answers
from posada_gateway.sse import MESSAGE_SCHEMA
from posada_gateway.values import Cursor, Id, Limit
from posada_gateway.views import EventPage, Trail
from posada_gateway.waiting import ends_job

router = keyed_router("events")
Accept = Annotated[str | None, Header(include_in_schema=False)]
_POSITION = {"pattern": trail.POSITION}
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="Goes on behind this event", json_schema_extra=_POSITION),
]
After = Annotated[
    str | None,
    Query(description="As `Last-Event-ID`, for clients that cannot set headers", json_schema_extra=_POSITION),
]
AsOf = Annotated[
    str | None,
    Query(
        description="A time with its zone, or a sequence number",
        json_schema_extra={"pattern": f"{trail.POSITION}|{trail.TIME}"},
    ),
]

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {SSE: {"schema": MESSAGE_SCHEMA}}},
    **answers(400, 404, 406, 422, 504),
}
_JOB_STREAM = {**_STREAM, 204: {"description": "The job has ended and nothing more will come: do not reconnect"}}


@router.get("/v1/sessions/{id}/events", response_model=Trail, responses=_STREAM)
async def session_events(
    id: Id,
    house: TheHouse,
    who: Who,
    *,
    as_of: AsOf = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    accept: Accept = None,
    last_event_id: LastEventId = None,
    after: After = None,
) -> Response:
    """A session's audit trail, oldest first. With `as_of` also its state as it was; as a stream it goes on.

    An erased session still has one.
    """
    media_type = best(accept, JSON, SSE)
    until = trail.moment(as_of) if as_of is not None else None
    await house.ask(GetSession(tenant=who.tenant, session_id=id, as_of_sequence=await trail.end(house)))
    subjects = about_session(who.tenant, id)
    if media_type == SSE:
        if until is not None:
            raise InvalidInputError("A stream has no `as_of`: ask for JSON.")
        return trail.stream(house, subjects, await trail.resume(house, last_event_id, after) or 0)
    page = await trail.page(house, subjects, cursor=cursor, limit=limit, as_of=until)
    state = await _state(house, who, id, until) if until is not None else None
    return answer(Trail(items=page.items, next_cursor=page.next_cursor, state=state))


async def _state(house: House, who: Caller, id_: str, as_of: Any) -> SessionView | None:
    """The session as it was; `None` when it was not there yet."""
    field = "as_of_sequence" if isinstance(as_of, int) else "as_of_time"
    try:
        return await house.ask(GetSession(tenant=who.tenant, session_id=id_, **{field: as_of}))
    except NotFoundError:
        return None


@router.get("/v1/jobs/{id}/events", response_model=EventPage, responses=_JOB_STREAM)
async def job_events(
    id: Id,
    house: TheHouse,
    who: Who,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    accept: Accept = None,
    last_event_id: LastEventId = None,
    after: After = None,
) -> Response:
    """A job's events: a stream that ends with the job, or pages of JSON."""
    media_type = best(accept, SSE, JSON)
    job = await house.ask(GetJob(tenant=who.tenant, job_id=id))
    subjects = [of_aggregate(who.tenant, "job", id)]
    if media_type == JSON:
        return answer(await trail.page(house, subjects, cursor=cursor, limit=limit))
    begin = await trail.resume(house, last_event_id, after) or 0
    if begin and job.finished_at is not None:
        left = await trail.page(house, subjects, cursor=str(begin), limit=1)
        if not left.items:
            return Response(status_code=204)
    return trail.stream(house, subjects, begin, last=ends_job)


@router.get("/v1/events", response_model=EventPage, responses=_STREAM)
async def tenant_events(
    house: TheHouse,
    who: Who,
    *,
    cursor: Cursor = None,
    limit: Limit = 50,
    accept: Accept = None,
    last_event_id: LastEventId = None,
    after: After = None,
) -> Response:
    """All of the tenant's events: a stream that begins now or behind `Last-Event-ID`, or pages of JSON."""
    subjects = [of_tenant(who.tenant)]
    if best(accept, SSE, JSON) == JSON:
        page = await trail.page(house, subjects, cursor=cursor or after, limit=limit, shown=_shown_to(who))
        return answer(page)
    begin = await trail.resume(house, last_event_id, after)
    if begin is None:
        begin = await trail.end(house)
    return trail.stream(house, subjects, begin, shown=_shown_to(who))


def _shown_to(who: Caller) -> Callable[[Recorded], bool]:
    """Who issued and revoked keys is for admins."""
    return lambda recorded: who.role == "admin" or not isinstance(recorded.event, KeyEvent)
