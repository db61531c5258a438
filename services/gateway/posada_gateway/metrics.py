"""Numbers for Prometheus: this process's requests, and the house's counts at the moment of the scrape."""

from __future__ import annotations

from posada_contracts.browser import RunnerStats
from posada_contracts.house import Counts
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WS"})


class Metrics:
    """What this process counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "posada_http_requests_total",
            "Requests answered.",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "posada_http_request_seconds",
            "Seconds until an answer began.",
            ["route", "method"],
            registry=self._registry,
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request. `route` is the template, never the address itself: there are few of those."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route, known).observe(seconds)

    def render(self, counts: Counts | None, runners: list[RunnerStats]) -> bytes:
        """All of it in Prometheus' text format. Without `counts` the registry did not answer in time."""
        return generate_latest(self._registry) + generate_latest(_house(counts, runners))


def _pool(registry: CollectorRegistry, runners: list[RunnerStats]) -> None:
    for name, what in {
        "max_browsers": "Places for browsers.",
        "queued": "Sessions waiting.",
        "warm": "Ready ones.",
    }.items():
        gauge = Gauge(f"posada_runner_{name}", what, ["runner"], registry=registry)
        for runner in runners:
            gauge.labels(runner.runner).set(getattr(runner, name))
    for name, what in {
        "memory_bytes": "Memory of a session's browser (PSS where the system tells it).",
        "cpu_seconds": "Processor time of a session's browser since its start.",
        "processes": "Processes of a session's browser.",
        "clients": "Clients connected to a session's browser.",
    }.items():
        gauge = Gauge(f"posada_browser_{name}", what, ["session"], registry=registry)
        for use in (use for runner in runners for use in runner.browsers):
            gauge.labels(use.session_id).set(getattr(use, name))


def _house(counts: Counts | None, runners: list[RunnerStats]) -> CollectorRegistry:
    """Made anew for each scrape, so that nothing of another tenant or of an hour ago lingers."""
    registry = CollectorRegistry()
    up = Gauge("posada_session_registry_up", "Whether session-registry answered this scrape.", registry=registry)
    up.set(counts is not None)
    browsers = Gauge("posada_browsers_open", "Open browsers of the tenant.", registry=registry)
    browsers.set(sum(len(runner.browsers) for runner in runners))
    _pool(registry, runners)
    if counts is None:
        return registry
    for name, what, numbers in (("sessions", "status", counts.sessions), ("jobs", "state", counts.jobs)):
        gauge = Gauge(f"posada_{name}", f"The tenant's {name} by {what}.", [what], registry=registry)
        for value, number in numbers.items():
            gauge.labels(value).set(number)
    Gauge("posada_log_sequence", "Position of the last event.", registry=registry).set(counts.logged)
    lag = Gauge("posada_projection_lag_events", "Events the read models are behind.", registry=registry)
    lag.set(max(0, counts.logged - counts.projected))
    return registry
