"""An OTLP sink: takes spans over HTTP as a collector does, and hands them to the test."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Spotted:
    """One span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str  #: empty for the root of a trace
    failed: str  #: the status message of a failed span
    attributes: dict[str, str]


@dataclass
class Sink:
    """What has arrived so far."""

    endpoint: str
    spans: list[Spotted] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)  #: request bodies, to look for what must not be in them

    def named(self, name: str) -> list[Spotted]:
        """Spans of a name."""
        return [span for span in self.spans if span.name == name]

    def parent_of(self, span: Spotted) -> Spotted | None:
        """The span that `span` was started in."""
        return next((each for each in self.spans if each.span_id == span.parent_id), None)

    def path_to(self, span: Spotted) -> list[str]:
        """Names from the root of the trace down to `span`."""
        parent = self.parent_of(span)
        return [*(self.path_to(parent) if parent else []), span.name]

    def take(self, body: bytes) -> None:
        """Take one export request in."""
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next((a.value.string_value for a in resource.resource.attributes if a.key == "service.name"), "")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Spotted(
                            service=service,
                            name=span.name,
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            failed=span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else "",
                            attributes={a.key: a.value.string_value for a in span.attributes},
                        )
                    )


@contextmanager
def otlp_sink() -> Iterator[Sink]:
    """A sink on a free port; `sink.endpoint` is what `POSADA_OTLP_ENDPOINT` is to be."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink = Sink(f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
