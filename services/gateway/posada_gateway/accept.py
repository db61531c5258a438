"""Content negotiation: the best of what is offered, by the client's `Accept`."""

from __future__ import annotations

from posada_gateway.problems import NotAcceptableError

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
SSE = "text/event-stream"


def best(accept: str | None, *offered: str) -> str:
    """The offered media type that `accept` likes most; of equals the one offered first.

    Raises:
        NotAcceptableError: it likes none.
    """
    ranges = _ranges(accept or "*/*")
    liked = max(offered, key=lambda offer: _quality(offer, ranges))
    if _quality(liked, ranges) <= 0:
        raise NotAcceptableError(f"Accept one of: {', '.join(offered)}.", offered=list(offered))
    return liked


def _ranges(accept: str) -> dict[str, float]:
    ranges = {}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            ranges[name] = float(quality)
        except ValueError:
            ranges[name] = 0.0
    return ranges


def _quality(offer: str, ranges: dict[str, float]) -> float:
    for name in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0
