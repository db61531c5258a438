"""Logs: one JSON object a line on stderr, with the trace it belongs to."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from posada_runtime.settings import CommonSettings
from posada_runtime.telemetry import current_trace_id


def configure(common: CommonSettings, service: str) -> None:
    """Set structlog up for this process. Libraries' own logging goes to the same place from warnings on."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if common.log_format == "console" else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            _add_traceback,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(common.log_level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    for chatty in ("nats", "opentelemetry"):  # says every reconnection attempt; ours says it once
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


def _add_traceback(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Where it happened and of what type it was; an exception's text may quote what nobody is to read."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["exception"] = type(error).__qualname__
        event["traceback"] = "".join(traceback.format_tb(error.__traceback__))
    return event


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if trace_id := current_trace_id():
        event["trace_id"] = trace_id
    return event


def get_logger(**values: Any) -> Any:
    """A logger with `values` on every line."""
    return structlog.get_logger(**values)
