"""The files that a session's browsers downloaded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import Path
from posada_contracts.browser import ArtifactPart, ListArtifacts, ReadArtifact
from posada_contracts.session import GetSession
from starlette.responses import Response, StreamingResponse

from posada_gateway.access import TheHouse, Who, keyed_router, permit
from posada_gateway.answering import answer
from posada_gateway.house import House
from posada_gateway.problems import answers
from posada_gateway.values import Id
from posada_gateway.views import ArtifactPage

PART_BYTES = 4 << 20
ArtifactId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]

router = keyed_router("browsers")


@router.get("/v1/sessions/{id}/artifacts", response_model=ArtifactPage, responses=answers(404, 422, 504))
async def list_artifacts(id: Id, house: TheHouse, who: Who) -> Response:
    """Newest first."""
    await house.ask(GetSession(tenant=who.tenant, session_id=id))
    return answer(ArtifactPage(items=await house.ask(ListArtifacts(tenant=who.tenant, session_id=id))))


@router.get(
    "/v1/sessions/{id}/artifacts/{artifact_id}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}, **answers(404, 410, 422, 504)},
)
async def get_artifact(id: Id, artifact_id: ArtifactId, house: TheHouse, who: Who) -> Response:
    """The file itself, to be saved: nothing here is shown by a browser."""
    permit(who, "POST")  # what an account downloads is not for viewers
    await house.ask(GetSession(tenant=who.tenant, session_id=id))
    first = await house.ask(ReadArtifact(tenant=who.tenant, session_id=id, artifact_id=artifact_id, limit=PART_BYTES))
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(first.name, safe='')}",
        "Content-Length": str(first.size),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    rest = _parts(house, who.tenant, id, artifact_id, first)
    return StreamingResponse(rest, 200, headers, "application/octet-stream")


async def _parts(house: House, tenant: str, id_: str, artifact_id: str, first: ArtifactPart) -> AsyncIterator[bytes]:
    part, offset = first, 0
    while part.data:
        yield part.data
        offset += len(part.data)
        if offset >= first.size:
            return
        part = await house.ask(
            ReadArtifact(tenant=tenant, session_id=id_, artifact_id=artifact_id, offset=offset, limit=PART_BYTES)
        )
