"""What counts as a profile of Facebook."""

import pytest
from posada_contracts.errors import InvalidInputError
from posada_scraper.platforms.facebook import Facebook

LOOK_ALIKE = "http://127.0.0.1:4100/social"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("lucia.fernandez", "lucia.fernandez"),
        ("  lucia.fernandez ", "lucia.fernandez"),
        ("100012345678901", "100012345678901"),
        ("https://www.facebook.com/lucia.fernandez", "lucia.fernandez"),
        ("https://www.facebook.com/lucia.fernandez/friends?mibextid=x", "lucia.fernandez"),
        ("m.facebook.com/lucia.fernandez/", "lucia.fernandez"),
        ("https://facebook.com/profile.php?id=100012345678901&sk=friends", "100012345678901"),
        ("https://www.facebook.com/people/Lucia-F/100012345678901/", "100012345678901"),
        ("https://www.facebook.com/100012345678901", "100012345678901"),
        (f"{LOOK_ALIKE}/lucia.fernandez", "lucia.fernandez"),
        (f"{LOOK_ALIKE}/profile.php?id=100012345678901", "100012345678901"),
    ],
)
def test_usernames_ids_and_links_come_to_one_form(given: str, meant: str) -> None:
    assert Facebook(LOOK_ALIKE).parse_target("friends", given) == meant


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ab",
        "x" * 51,
        "lucia fernandez",
        "lucía",
        "login.php",
        "../etc/passwd",
        "https://www.facebook.com/",
        "https://www.facebook.com/groups/1234",
        "https://www.facebook.com/profile.php?id=abc",
        "https://www.facebook.com.evil.test/lucia.fernandez",
        "https://evilfacebook.com/lucia.fernandez",
        "http://127.0.0.1:4101/social/lucia.fernandez",
        "http://127.0.0.1:4100/elsewhere/lucia.fernandez",
        "file:///lucia.fernandez",
        "https://[broken/lucia.fernandez",
    ],
)
def test_what_is_no_profile_is_refused_with_what_would_do(given: str) -> None:
    with pytest.raises(InvalidInputError, match="a username"):
        Facebook(LOOK_ALIKE).parse_target("profile", given)


@pytest.mark.parametrize("kind", ["check", "doctor"])
def test_a_check_takes_no_target(kind: str) -> None:
    assert Facebook().parse_target(kind, " ") == ""
    with pytest.raises(InvalidInputError, match="no target"):
        Facebook().parse_target(kind, "lucia.fernandez")
