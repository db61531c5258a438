"""Ownership of processes, tried on real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import psutil
import pytest
from posada_runtime.processes import (
    MARK_VARIABLE,
    Mark,
    Marked,
    end_exactly,
    find_marked,
    keeper_alive,
    orphans,
    started,
)

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT = [
    sys.executable,
    "-c",
    "import os, subprocess, sys; subprocess.run(sys.argv[1:], env={'PATH': os.environ['PATH']})",
]
KEEPER = """
import os, subprocess, sys
from posada_runtime.processes import MARK_VARIABLE, Mark
for session in sys.argv[2:]:
    mark = Mark.for_this_process(sys.argv[1], "keeper", session, "start-" + session)
    subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, MARK_VARIABLE: mark.encode()}, start_new_session=True, stdout=subprocess.DEVNULL,
    )
print("ready", flush=True)
sys.stdin.read()
"""
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def house() -> str:
    return f"a house: {uuid.uuid4()}"


@pytest.fixture
def start(house: str) -> Iterator[Start]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(arguments: list[str], **options: object) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen(arguments, **options))  # type: ignore[call-overload]
        return processes[-1]

    yield start
    for each in (*find_marked(house), *find_marked(inner(house))):
        os.kill(each.pid, signal.SIGKILL)
    for process in processes:
        process.kill()
        process.__exit__(None, None, None)


def inner(house: str) -> str:
    return f"{house}, the inner one"


def when_marked(house: str, count: int) -> list[Marked]:
    """The processes of `house` as soon as there are `count`."""
    deadline = time.monotonic() + 10
    while len(found := find_marked(house)) < count:
        assert time.monotonic() < deadline, f"only {found}"
        time.sleep(0.01)
    return found


def marked_environment(mark: Mark) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], MARK_VARIABLE: mark.encode()}


def keeper_of(start: Start, house: str, *sessions: str) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", KEEPER, house, *sessions]
    keeper = start(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert keeper.stdout
    assert keeper.stdout.readline() == b"ready\n"
    return keeper


def test_a_mark_survives_its_encoding() -> None:
    mark = Mark.for_this_process("a house: of|strange=signs", "onebox", "user 1", "x\ny")
    assert Mark.parse(mark.encode()) == mark
    assert not set(mark.encode()) & set(" =\n\"'")
    assert keeper_alive(mark)


@pytest.mark.parametrize("text", ["", "posada", "posada:a:b:1:2.0:c:", "other:a:b:1:2.0:c:d:", "posada:a:b:x:2.0:c:d:"])
def test_what_is_not_a_mark_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Mark.parse(text)


def test_a_pid_given_out_anew_is_not_the_keeper() -> None:
    mark = Mark.for_this_process("house", "keeper")
    assert not keeper_alive(Mark("house", "keeper", os.getpid(), mark.keeper_started - 1))


def test_an_unburied_process_has_not_started(start: Start) -> None:
    process = start(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert started(process.pid) is None


def test_the_mark_in_a_switch_counts_and_the_mark_in_other_words_does_not(start: Start, house: str) -> None:
    mark = Mark.for_this_process(house, "keeper", "user1", "a").encode()
    clean = {"PATH": os.environ["PATH"]}
    switched = start([*SLEEP, "--type=renderer", f"--vmodule={mark}=0"], env=clean)
    start([*SLEEP, f"grep {mark}"], env=clean)
    start([*SLEEP, mark], env={**clean, "NOTE": mark})
    assert [each.pid for each in find_marked(house)] == [switched.pid]


def test_a_child_without_a_mark_belongs_to_its_parent(start: Start, house: str) -> None:
    parent = start([*PARENT, *SLEEP], env=marked_environment(Mark.for_this_process(house, "keeper")))
    assert parent.pid in {each.pid for each in when_marked(house, 2)}


def test_another_house_inside_this_one_is_not_this_one(start: Start, house: str) -> None:
    mark = Mark.for_this_process(inner(house), "keeper").encode()
    arguments = [*PARENT, *SLEEP, f"--mark={mark}"]  # the parent has the switch too, but its environment goes first
    parent = start(arguments, env=marked_environment(Mark.for_this_process(house, "keeper")))
    assert [each.pid for each in when_marked(inner(house), 1)] != [parent.pid]
    assert [each.pid for each in find_marked(house)] == [parent.pid]


async def test_only_what_a_dead_keeper_left_is_an_orphan(start: Start, house: str) -> None:
    alive, dead = keeper_of(start, house, "user1", "user2"), keeper_of(start, house, "user1", "user10")
    assert orphans(house) == []
    dead.kill()
    dead.communicate()
    left = orphans(house)
    assert {each.mark.session_id for each in left} == {"user1", "user10"}
    assert {each.mark.keeper_pid for each in left} == {dead.pid}

    assert all(each.gone for each in await end_exactly(left, 5))
    assert orphans(house) == []
    assert {each.mark.keeper_pid for each in find_marked(house)} == {alive.pid}
    assert len(find_marked(house)) == 2


async def test_user1_is_never_taken_for_user10(start: Start, house: str) -> None:
    keeper_of(start, house, "user1", "user10")
    await end_exactly([each for each in find_marked(house) if each.mark.session_id == "user1"], 5)
    assert [each.mark.session_id for each in find_marked(house)] == ["user10"]


async def test_a_stopped_process_is_ended_too(start: Start, house: str) -> None:
    process = start(SLEEP, env=marked_environment(Mark.for_this_process(house, "keeper")))
    process.send_signal(signal.SIGSTOP)
    assert [each.gone for each in await end_exactly(find_marked(house), 5)] == [True]
    assert process.wait(1) == -signal.SIGKILL


async def test_naming_one_ends_all_with_its_mark_even_new_ones(start: Start, house: str) -> None:
    forker = "import subprocess, sys\nwhile True: subprocess.Popen(['sleep', '60']); __import__('time').sleep(0.05)"
    mark = Mark.for_this_process(house, "keeper", "user1", "a")
    process = start([sys.executable, "-c", forker], env=marked_environment(mark), start_new_session=True)
    found = when_marked(house, 4)
    ended = await end_exactly([each for each in found if each.pid == process.pid], 5)
    assert len(ended) >= 4
    assert all(each.gone for each in ended)
    assert find_marked(house) == []


async def test_a_pid_given_out_anew_is_left_alone(start: Start, house: str) -> None:
    process = start(SLEEP)
    earlier = Marked(process.pid, (started(process.pid) or 0) - 1, Mark.for_this_process(house, "keeper"))
    assert [each.gone for each in await end_exactly([earlier], 1)] == [True]
    assert process.poll() is None


def test_the_caller_and_its_children_are_nobodys_orphans(start: Start, house: str) -> None:
    """A runner that outlived the process which started it must not end itself, nor its helpers."""
    look = "import os, subprocess, sys\nfrom posada_runtime.processes import find_marked, orphans\n"
    look += "child = subprocess.Popen(['sleep', '60'])\n"
    look += f"print(len(find_marked({house!r})), orphans({house!r})); child.kill(); child.wait()"
    lost = Mark(house, "onebox", os.getpid(), 1.0)
    process = start([sys.executable, "-c", look], env=marked_environment(lost), stdout=subprocess.PIPE)
    assert process.communicate()[0] == b"2 []\n"
