"""Traces: one runs from the REST call through NATS and the browser to the last event.

Every message carries the W3C trace context in its headers. Spans leave the process only when an OTLP endpoint is
set; ids are made in any case, so that logs and events always tell which trace they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode

from posada_runtime.settings import CommonSettings

_tracer = trace.get_tracer("posada")


def configure(common: CommonSettings, service: str) -> None:
    """Set tracing up for this process."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if common.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        endpoint = common.otlp_endpoint.rstrip("/") + "/v1/traces"
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    """Send what has not been sent yet."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def current_trace_id() -> str:
    """The trace id of the current span, 32 hexadecimal digits; empty outside any span."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def trace_headers() -> dict[str, str]:
    """The current context as headers to send along (W3C Trace Context, level 1)."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}


@contextmanager
def span(
    name: str, kind: str = "internal", parent: Mapping[str, str] | None = None, **attributes: Any
) -> Iterator[Span]:
    """A span around a piece of work; `parent` takes the headers of the message that asked for it.

    Exceptions mark it failed by their type only: their text could hold what was sent.
    """
    context = propagate.extract(parent) if parent is not None else None
    with _tracer.start_as_current_span(
        name,
        context,
        SpanKind[kind.upper()],
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            mark_failed(error)
            raise


def mark_failed(error: BaseException) -> None:
    """Let the current span show that it failed, by the error's type only."""
    trace.get_current_span().set_status(StatusCode.ERROR, type(error).__name__)


class TracedApp:
    """ASGI middleware: a server span per request, named by method and route; answers with `X-Trace-Id`."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Wrap one HTTP request or WebSocket; anything else passes untouched."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        method = scope.get("method", "WS")
        with span(f"{method} {scope['path']}", "server", headers) as current:
            await self.app(scope, receive, self._sender(scope, send, method, current))

    def _sender(self, scope: MutableMapping[str, Any], send: Any, method: str, current: Span) -> Any:
        async def traced_send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", scope["path"])
                current.update_name(f"{method} {route}")
                current.set_attribute("http.response.status_code", message["status"])
                message["headers"] = [*message["headers"], (b"x-trace-id", current_trace_id().encode())]
            await send(message)

        return traced_send


def traced(app: Any) -> Any:
    """`app` with a span around each request."""
    return TracedApp(app)
