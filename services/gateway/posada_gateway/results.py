"""A job's records in the form a client asked for, page by page, so that none of them is held whole."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import msgspec
from posada_contracts.job import GetResult, ResultPage
from starlette.responses import Response, StreamingResponse

from posada_gateway.accept import CSV, JSON, NDJSON
from posada_gateway.house import House

RECORDS_PER_PAGE = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Record = dict[str, Any]
Pages = AsyncIterator[list[Record]]


class Result:
    """The records of one job that has succeeded."""

    def __init__(self, house: House, tenant: str, job_id: str) -> None:
        self._house, self._tenant, self._job_id = house, tenant, job_id

    async def _page(self, offset: int) -> ResultPage:
        query = GetResult(tenant=self._tenant, job_id=self._job_id, offset=offset, limit=RECORDS_PER_PAGE)
        return await self._house.ask(query)

    async def _pages(self, first: ResultPage) -> Pages:
        offset, page = 0, first
        while page.records:
            yield page.records
            offset += len(page.records)
            if offset >= page.total:
                return
            page = await self._page(offset)

    async def response(self, media_type: str) -> Response:
        """The records as `media_type`; the first page is read before the answer begins, so that errors are told.

        Raises:
            PosadaError: as `GetResult`.
        """
        first = await self._page(0)
        if media_type == CSV:
            columns = await self._columns(first)
            return _download(_csv(self._pages(first), columns), "text/csv; charset=utf-8", self._job_id, "csv")
        form: Callable[[Pages], AsyncGenerator[bytes]] = {JSON: _json, NDJSON: _ndjson}[media_type]
        return _download(form(self._pages(first)), media_type, self._job_id, media_type.rpartition("/")[2])

    async def _columns(self, first: ResultPage) -> list[str]:
        """Every name that any record has: records need not be alike."""
        names: dict[str, None] = {}
        async for records in self._pages(first):
            names.update((name, None) for record in records for name in record)
        return list(names)


def _download(body: AsyncGenerator[bytes], media_type: str, job_id: str, ending: str) -> Response:
    headers = {"Content-Type": media_type, "X-Content-Type-Options": "nosniff"}
    if ending != "json":
        headers["Content-Disposition"] = f'attachment; filename="{job_id}.{ending.removeprefix("x-")}"'
    return StreamingResponse(body, 200, headers)


async def _json(pages: Pages) -> AsyncGenerator[bytes]:
    between = b'{"items":['
    empty = True
    async for records in pages:
        yield between + msgspec.json.encode(records)[1:-1]
        between, empty = b",", False
    yield b'{"items":[]}' if empty else b"]}"


async def _ndjson(pages: Pages) -> AsyncGenerator[bytes]:
    async for records in pages:
        yield b"".join(msgspec.json.encode(record) + b"\n" for record in records)


async def _csv(pages: Pages, columns: list[str]) -> AsyncGenerator[bytes]:
    yield _lines([[cell(name) for name in columns]])
    async for records in pages:
        yield _lines([[cell(record.get(name)) for name in columns] for record in records])


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def cell(value: Any) -> str:
    """A value for one cell. A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return msgspec.json.encode(value).decode()
