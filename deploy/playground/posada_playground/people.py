"""Made-up people and who is whose friend: the same seed makes the same people."""

import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

WORDS: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
MAIN_TARGET = "lucia.fernandez"
STRANGERS = 60  #: people who are nobody's fixed friend, for suggestions
EXACT_FRIENDS = 48  #: of mateo.ibarra: two full pages, so that the end falls on a page's edge


@dataclass(frozen=True, slots=True)
class Person:
    """Who has a profile. Without a username there is only the numeric id."""

    id: str
    name: str
    username: str | None
    city: str | None
    work: str | None
    bio: str | None


@dataclass(slots=True)
class People:
    """Everybody on the site, and their friends in the order in which they are shown."""

    by_id: dict[str, Person] = field(default_factory=dict)
    by_username: dict[str, Person] = field(default_factory=dict)
    _friends: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, person: Person) -> Person:
        self.by_id[person.id] = person
        self._friends[person.id] = {}
        if person.username:
            self.by_username[person.username] = person
        return person

    def befriend(self, one: Person, other: Person) -> None:
        if one.id != other.id:
            self._friends[one.id][other.id] = None
            self._friends[other.id][one.id] = None

    def find(self, handle: str) -> Person | None:
        """By username, whatever its case, or by numeric id."""
        return self.by_username.get(handle.lower()) or self.by_id.get(handle)

    def friends_of(self, person: Person) -> list[Person]:
        return [self.by_id[other] for other in self._friends[person.id]]

    def strangers_to(self, person: Person, limit: int) -> list[Person]:
        """Some who are not friends of `person`: what a page suggests beside the real list."""
        known = self._friends[person.id]
        strange = [p for p in reversed(self.by_id.values()) if p.id not in known and p.id != person.id]
        return strange[:limit]


class Maker:
    """Draws one person after the other; ids and usernames never come twice."""

    def __init__(self, seed: int, people: People) -> None:
        self._rng = Random(seed)  # noqa: S311  likeness wanted, not secrecy
        self._people = people

    def somebody(self) -> Person:
        rng = self._rng
        name = f"{rng.choice(WORDS['first_names'])} {rng.choice(WORDS['surnames'])} {rng.choice(WORDS['surnames'])}"
        person = Person(
            id=self._fresh_id(),
            name=name,
            username=self._fresh_username(name) if rng.random() > 0.15 else None,
            city=rng.choice(WORDS["cities"]) if rng.random() > 0.1 else None,
            work=rng.choice(WORDS["work"]) if rng.random() > 0.3 else None,
            bio=rng.choice(WORDS["bios"]) if rng.random() > 0.5 else None,
        )
        return self._people.add(person)

    def named(self, name: str, username: str) -> Person:
        """Somebody whom tests and demos call by name; nothing of the profile is left blank."""
        rng = self._rng
        person = Person(
            self._fresh_id(),
            name,
            username,
            rng.choice(WORDS["cities"]),
            rng.choice(WORDS["work"]),
            rng.choice(WORDS["bios"]),
        )
        return self._people.add(person)

    def _fresh_id(self) -> str:
        number = f"1000{self._rng.randrange(10**10, 10**11)}"
        return number if number not in self._people.by_id else self._fresh_id()

    def _fresh_username(self, name: str) -> str:
        first, last, _ = plain(name).split()
        for candidate in (
            f"{first}.{last}",
            f"{first}{last}",
            f"{first}.{last}.{self._rng.randrange(10, 99)}",
        ):
            if candidate not in self._people.by_username:
                return candidate
        return f"{first}.{last}.{len(self._people.by_username)}"


def plain(name: str) -> str:
    """Lower case without accents: "Lucía Fernández" -> "lucia fernandez"."""
    return unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()


def populate(seed: int, friends: int, analysts: Sequence[tuple[str, str]]) -> tuple[People, list[Person]]:
    """The people of a site, and among them the analysts, given as (name, username), in that order."""
    people = People()
    maker = Maker(seed, people)
    lucia = maker.named("Lucía Fernández Ortega", MAIN_TARGET)
    mateo = maker.named("Mateo Ibarra Solís", "mateo.ibarra")
    maker.named("Irene Soto Luna", "irene.soto")  # she has no friends at all
    staff = [maker.named(name, username) for name, username in analysts]
    crowd = [maker.somebody() for _ in range(max(friends, EXACT_FRIENDS))]
    for friend in crowd[:friends]:
        people.befriend(lucia, friend)
    for friend in crowd[:EXACT_FRIENDS]:
        people.befriend(mateo, friend)
    crowd += [maker.somebody() for _ in range(STRANGERS)]
    _mingle(Random(seed + 1), people, crowd, staff)  # noqa: S311  likeness wanted, not secrecy
    return people, staff


def _mingle(rng: Random, people: People, crowd: list[Person], staff: list[Person]) -> None:
    """Friendships among the rest; those with a fixed number of friends are left alone."""
    for person in [*crowd, *staff]:
        for other in rng.sample(crowd, 5):
            people.befriend(person, other)
