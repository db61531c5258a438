"""Profile directories, on a real file system."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from posada_browser_runner.adapters.profiles import ProfileDir, Profiles


def test_a_profile_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = Profiles(tmp_path / "browsers").create("user1", "a1")
    for path in (tmp_path / "browsers", made.path, made.profile, made.tmp):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_start_never_shares_its_profile(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    profiles.create("user1", "a1")
    with pytest.raises(FileExistsError):
        profiles.create("user1", "a1")


@pytest.mark.parametrize("name", ["", "..", "a/b", "a.b", "a b", "a\n", "x" * 65])
def test_names_that_could_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    profiles = Profiles(tmp_path)
    with pytest.raises(ValueError, match="not fit"):
        profiles.create(name, "a1")
    with pytest.raises(ValueError, match="not fit"):
        profiles.create("user1", name)
    with pytest.raises(ValueError, match="not one of"):
        profiles.remove(ProfileDir(tmp_path / f"{name}.a1", name, "a1"))


def test_what_no_live_start_uses_is_a_leftover(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    old, _, other = profiles.create("user1", "a1"), profiles.create("user1", "a2"), profiles.create("user10", "a3")
    (tmp_path / "a file.x").touch()
    assert profiles.leftovers({"a2"}) == [old, other]
    profiles.remove(old)
    profiles.remove(old)
    assert profiles.leftovers({"a2"}) == [other]


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path: Path) -> None:
    profiles, outside = Profiles(tmp_path / "root"), tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (tmp_path / "root" / "user1.a1").symlink_to(outside)
    inner = profiles.create("user1", "a2")
    (inner.profile / "link").symlink_to(outside)
    for each in profiles.leftovers(()):
        profiles.remove(each)
    assert profiles.leftovers(()) == []
    assert (outside / "precious").exists()


def test_a_profile_from_elsewhere_is_not_touched(tmp_path: Path) -> None:
    elsewhere = Profiles(tmp_path / "other").create("user1", "a1")
    with pytest.raises(ValueError, match="not one of"):
        Profiles(tmp_path / "root").remove(elsewhere)
    assert elsewhere.profile.exists()


def test_the_newest_quarantined_are_kept(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path, keep_quarantined=2)
    aside = []
    for start in ("a1", "a2", "a3"):
        made = profiles.create("user1", start)
        (made.profile / "Cookies").write_text(start)
        aside.append(profiles.quarantine(made))
    assert [path.exists() for path in aside] == [False, True, True]
    assert (aside[2] / "profile" / "Cookies").read_text() == "a3"
    assert profiles.leftovers(()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["quarantine"]
    with pytest.raises(FileNotFoundError):
        profiles.quarantine(made)
