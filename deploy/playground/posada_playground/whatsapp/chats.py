"""The chats of a phone: the same phone has the same ones."""

from random import Random

from posada_playground.people import WORDS, People

CHATS = 14


def chats_of(phone: str, people: People) -> list[dict[str, object]]:
    """The newest first."""
    rng = Random(phone)  # noqa: S311  likeness wanted, not secrecy
    everybody = list(people.by_id.values())
    minutes = sorted(rng.sample(range(24 * 60), CHATS), reverse=True)
    return [
        {
            "name": person.name,
            "preview": rng.choice(WORDS["messages"]),
            "time": f"{minute // 60}:{minute % 60:02}",
            "unread": rng.choice((0, 0, 0, 1, 3)),
        }
        for person, minute in zip(rng.sample(everybody, min(CHATS, len(everybody))), minutes, strict=False)
    ]
