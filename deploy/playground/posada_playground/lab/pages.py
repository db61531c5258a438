"""What a browser says of itself, what it keeps, and what it has to bear."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, JSONResponse, Response

from posada_playground.site import HERE, NO_STORE, AtSite, templates

YEAR = 365 * 24 * 3600  #: seconds
CSV_HEAD = "fecha;concepto;importe\r\n"
CSV_ROW = "2026-01-{day:02};Café y libros nº {number};{number},50\r\n"
KINDS = {
    "cookie": "Cookie",
    "session_cookie": "Cookie de sesión",
    "http_only": "Cookie HttpOnly, puesta por el servidor",
    "local": "localStorage",
    "session": "sessionStorage",
    "indexed": "IndexedDB: un texto",
    "blob": "IndexedDB: un Blob",
    "key": "IndexedDB: una CryptoKey P-256 no extraíble (su huella)",
    "cache": "CacheStorage",
}
SEEN_ONLY = {
    "http_only_session": "Cookie HttpOnly de sesión",
    "key_extractable": "La clave se puede extraer",
    "key_signs": "La clave firma",
}

router = APIRouter(prefix="/lab")


@router.get("")
@router.get("/")
async def index(request: Request) -> Response:
    return _page(request, "index")


@router.api_route("/echo", methods=["GET", "POST"])
async def echo(request: Request) -> Response:
    """What the request says: as a page to those who take HTML, else as JSON."""
    if "text/html" in request.headers.get("accept", ""):
        return _page(request, "echo", seen=_seen(request))
    return JSONResponse(_seen(request), headers=NO_STORE)


def _seen(request: Request) -> dict[str, object]:
    return {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "headers": dict(request.headers),
        "order": list(request.headers.keys()),
        "cookies": request.cookies,
        "client": request.client.host if request.client else None,
    }


@router.get("/service-worker.js")
async def service_worker() -> Response:
    """Here, not below /static: it may only look after pages below its own path."""
    return FileResponse(HERE / "static/lab/service-worker.js", media_type="text/javascript", headers=NO_STORE)


@router.get("/hang")
async def hang(request: Request, ms: Annotated[int, Query(ge=0, le=3_600_000)] = 5000) -> Response:
    return _page(request, "hang", ms=ms)


@router.get("/storage")
async def storage(request: Request) -> Response:
    return _page(request, "storage", kinds=KINDS, seen_only=SEEN_ONLY)


@router.get("/storage/cookies")
async def cookies(request: Request) -> dict[str, str]:
    """The cookies as they arrive, those included that no script may see."""
    return request.cookies


@router.post("/storage/cookies")
async def set_cookie(request: Request, site: AtSite, value: Annotated[str, Query(max_length=256)]) -> Response:
    response = Response(status_code=204)
    secure = site.is_https(request)
    response.set_cookie("lab_http_only", value, max_age=YEAR, httponly=True, secure=secure)
    response.set_cookie("lab_http_only_session", value, httponly=True, secure=secure)
    return response


@router.delete("/storage/cookies")
async def drop_cookies(request: Request) -> Response:
    response = Response(status_code=204)
    for name in request.cookies:
        if name.startswith("lab_"):
            response.delete_cookie(name)
    return response


@router.get("/download")
async def download_page(request: Request, rows: Annotated[int, Query(ge=0, le=1_000_000)] = 20) -> Response:
    return _page(request, "download", rows=rows)


@router.get("/download/informe.csv")
async def download(rows: Annotated[int, Query(ge=0, le=1_000_000)] = 20) -> Response:
    lines = [CSV_ROW.format(day=number % 28 + 1, number=number) for number in range(1, rows + 1)]
    headers = {"Content-Disposition": 'attachment; filename="informe.csv"', **NO_STORE}
    return Response(CSV_HEAD + "".join(lines), media_type="text/csv", headers=headers)


@router.get("/memory")
async def memory(request: Request, mb: Annotated[int, Query(ge=0, le=16_384)] = 64) -> Response:
    return _page(request, "memory", mb=mb)


def _page(request: Request, name: str, **context: object) -> Response:
    return templates.TemplateResponse(request, f"lab/{name}.html", context, headers=NO_STORE)
