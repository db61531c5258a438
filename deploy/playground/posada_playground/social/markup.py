"""How people look on a page: links, cards, and the JSON that the page's scripts carry."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from posada_playground.people import Person


def profile_path(person: Person) -> str:
    if person.username:
        return f"/social/{person.username}"
    return f"/social/profile.php?id={person.id}"


def friends_path(person: Person) -> str:
    return profile_path(person) + ("/friends" if person.username else "&sk=friends")


def photo_path(person: Person) -> str:
    return f"/static/photos/{person.id}.svg"


def script_json(value: object) -> Markup:
    """Without spaces, as real pages have it (`"userID":"1000..."`), and never able to end the script."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  made safe right here


@dataclass(frozen=True, slots=True)
class Slice:
    """Some friends of a longer list, and whether and where it goes on."""

    people: Sequence[Person]
    next_cursor: str | None


def slice_of(friends: Sequence[Person], start: int, size: int) -> Slice:
    end = start + size
    return Slice(friends[start:end], cursor_at(end) if end < len(friends) else None)


def cursor_at(start: int) -> str:
    return base64.urlsafe_b64encode(f"app_item:{start}".encode()).decode()


def start_of(cursor: str) -> int:
    """Raises ValueError when the cursor is not one of ours."""
    kind, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
    if kind != "app_item" or not number.isdecimal():
        raise ValueError("not a cursor")
    return int(number)


def edge(person: Person) -> dict[str, object]:
    """A friend as the lazily loaded pages carry them."""
    node = {
        "__typename": "User",
        "id": person.id,
        "title": {"text": person.name},
        "subtitle_text": {"text": person.city or person.work or ""},
        "image": {"uri": photo_path(person)},
        "url": profile_path(person),
    }
    return {"node": node}
