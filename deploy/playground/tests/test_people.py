from posada_playground.people import MAIN_TARGET, populate

STAFF = [("Ana Robles Vidal", "ana.robles")]


def test_the_same_seed_makes_the_same_people_and_friends() -> None:
    one, other = populate(7, 340, STAFF)[0], populate(7, 340, STAFF)[0]
    assert one.by_id == other.by_id
    assert one.friends_of(one.by_username[MAIN_TARGET]) == other.friends_of(other.by_username[MAIN_TARGET])
    assert populate(8, 340, STAFF)[0].by_id != one.by_id


def test_the_main_target_has_exactly_the_friends_asked_for_and_some_have_only_an_id() -> None:
    for wanted in (0, 3, 340):
        people, _ = populate(7, wanted, STAFF)
        friends = people.friends_of(people.by_username[MAIN_TARGET])
        assert len({friend.id for friend in friends}) == wanted
        assert wanted < 340 or any(friend.username is None for friend in friends)


def test_friendship_goes_both_ways() -> None:
    people, _ = populate(7, 40, STAFF)
    for person in people.by_id.values():
        assert all(person in people.friends_of(friend) for friend in people.friends_of(person))


def test_handles_are_usernames_in_any_case_or_numeric_ids() -> None:
    people, staff = populate(7, 40, STAFF)
    assert people.find("Ana.Robles") is people.find(staff[0].id) is staff[0]
    assert people.find("nobody.at.all") is None


def test_suggested_strangers_are_no_friends() -> None:
    people, _ = populate(7, 40, STAFF)
    lucia = people.by_username[MAIN_TARGET]
    assert not set(people.strangers_to(lucia, 5)) & {*people.friends_of(lucia), lucia}
