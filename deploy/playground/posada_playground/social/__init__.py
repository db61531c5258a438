"""Carabook: a social network that behaves like the real one where a scraper would notice."""

from fastapi import FastAPI

from posada_playground.social import door, friends_api, guard, pages, photos


def mount_social(app: FastAPI) -> None:
    """Adds the site below /social. `pages` comes last: its usernames match any path."""
    guard.add_handlers(app)
    for room in (photos, door, friends_api, pages):
        app.include_router(room.router)
