"""Jobs: ask for one, watch it, call it off, fetch what it found."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header, Query
from posada_contracts.errors import ConflictError
from posada_contracts.ids import session_id
from posada_contracts.job import CancelJob, GetJob, GiveInput, JobPage, JobView, ListJobs, RequestJob, State
from posada_contracts.session import GetSession
from starlette.responses import Response

from posada_gateway.accept import CSV, JSON, NDJSON, best
from posada_gateway.access import TheHouse, Who, keyed_router
from posada_gateway.answering import OnceOnly, answer
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.models import JobInput, NewJob
from posada_gateway.problems import answers
from posada_gateway.results import Result
from posada_gateway.values import Cursor, Id, Limit, uuid_or_404
from posada_gateway.views import Records
from posada_gateway.waiting import job_ended

LONGEST_WAIT = 60
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*([0-9]{1,6})\s*(?:$|[,;])", re.IGNORECASE)

router = keyed_router("jobs")
Prefer = Annotated[str | None, Header(description="`wait=N`: answer when the job has ended, or after N s (60 at most)")]
Accept = Annotated[str | None, Header(include_in_schema=False)]


def wait_seconds(prefer: str | None) -> int:
    """How long the client would wait; 0 when it does not say."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), LONGEST_WAIT) if found else 0


async def _requested(house: House, who: Caller, body: NewJob, command_id: str, job_id: str) -> JobView:
    """The job that `body` asks for, queued."""
    if body.session_id is not None:
        id_ = uuid_or_404(body.session_id)
    else:
        id_ = session_id(who.tenant, str(body.owner), str(body.platform))
    session = await house.ask(GetSession(tenant=who.tenant, session_id=id_))
    await house.platforms.check_kind(who.tenant, session.platform, body.kind)
    command = RequestJob(
        tenant=who.tenant,
        actor=who.actor,
        command_id=command_id,
        job_id=job_id,
        session_id=id_,
        kind=body.kind,
        target=body.target,
        params=dict(body.params),
    )
    return await house.ask(command)


@router.post(
    "/v1/jobs",
    status_code=202,
    response_model=JobView,
    responses={
        200: {"model": JobView, "description": "It has ended while you waited"},
        **answers(400, 404, 409, 413, 422, 504),
    },
)
async def request_job(body: NewJob, house: TheHouse, who: Who, once: OnceOnly, prefer: Prefer = None) -> Response:
    """Queue work on a session."""
    job_id = once.id("job")
    location = f"/v1/jobs/{job_id}"

    async def make() -> Response:
        return answer(await _requested(house, who, body, once.id("command"), job_id), 202, Location=location)

    response = await once(make)
    seconds = wait_seconds(prefer)
    if not seconds:
        return response
    ended = await job_ended(house, who.tenant, job_id, seconds)
    job = await house.ask(GetJob(tenant=who.tenant, job_id=job_id))
    replayed = {name: value for name, value in response.headers.items() if name == "idempotency-replayed"}
    headers = {"Location": location, "Preference-Applied": f"wait={seconds}", **replayed}
    return answer(job, 200 if ended else 202, **headers)


@router.get("/v1/jobs", response_model=JobPage, responses=answers(400, 422, 504))
async def list_jobs(
    house: TheHouse,
    who: Who,
    *,
    session_id: Annotated[str | None, Query(pattern="^[0-9a-f-]{36}$")] = None,
    state: State | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Jobs, newest first."""
    query = ListJobs(tenant=who.tenant, session_id=session_id, state=state, cursor=cursor, limit=limit)
    return answer(await house.ask(query))


@router.get("/v1/jobs/{id}", response_model=JobView, responses=answers(404, 422, 504))
async def get_job(id: Id, house: TheHouse, who: Who) -> Response:
    """One job as it is now."""
    return answer(await house.ask(GetJob(tenant=who.tenant, job_id=id)))


@router.post("/v1/jobs/{id}/input", response_model=JobView, responses=answers(400, 404, 409, 410, 413, 422, 504))
async def give_input(id: Id, body: JobInput, house: TheHouse, who: Who, once: OnceOnly) -> Response:
    """Give a job in the state `needs_user` what it waits for. It is sealed, and destroyed when the job ends."""
    command = GiveInput(
        tenant=who.tenant,
        actor=who.actor,
        command_id=once.id("command"),
        job_id=id,
        input=body.model_dump(exclude_none=True),
    )

    async def make() -> Response:
        return answer(await house.ask(command))

    return await once(make)


@router.delete("/v1/jobs/{id}", response_model=JobView, responses=answers(404, 409, 422, 504))
async def cancel_job(id: Id, house: TheHouse, who: Who) -> Response:
    """Call a job off. One that has ended stays as it ended."""
    return answer(await house.ask(CancelJob(tenant=who.tenant, actor=who.actor, job_id=id)))


@router.get(
    "/v1/jobs/{id}/result",
    response_model=Records,
    responses={
        200: {"content": {NDJSON: {"schema": {"type": "string"}}, CSV: {"schema": {"type": "string"}}}},
        **answers(404, 406, 409, 410, 422, 504),
    },
)
async def get_result(id: Id, house: TheHouse, who: Who, accept: Accept = None) -> Response:
    """The records, as JSON, NDJSON or CSV by `Accept`."""
    media_type = best(accept, JSON, NDJSON, CSV)
    job = await house.ask(GetJob(tenant=who.tenant, job_id=id))
    if job.state != "succeeded":
        raise ConflictError(f"There is no result: the job is {job.state}.", state=job.state)
    return await Result(house, who.tenant, id).response(media_type)
