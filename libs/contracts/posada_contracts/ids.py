"""Identifiers that follow from what they identify, so that no lock is needed to keep a thing unique."""

from __future__ import annotations

import json
import uuid

_POSADA = uuid.UUID("6f1d7c0e-4b6a-5f0e-9d3a-706f73616461")


def session_id(tenant: str, owner: str, platform: str) -> str:
    """The one id that (tenant, owner, platform) can have."""
    return str(uuid.uuid5(_POSADA, json.dumps(["session", tenant, owner, platform])))


def derived_id(*parts: str) -> str:
    """An id made of `parts`: the same parts always give the same id."""
    return str(uuid.uuid5(_POSADA, json.dumps(parts)))


def new_id() -> str:
    """A random id."""
    return str(uuid.uuid4())
