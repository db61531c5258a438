"""Decisions: (state, command) -> events. No I/O, no clock, no randomness."""

from posada_session_registry.domain.access import ApiKey
from posada_session_registry.domain.session import Session

__all__ = ["ApiKey", "Session"]
