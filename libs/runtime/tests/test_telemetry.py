"""One trace from the asker through the handler to the event, exported without any secret."""

from __future__ import annotations

import asyncio
import sys

from posada_contracts.streams import EVENT_SUBJECTS
from posada_runtime.eventstore import EventStore
from posada_runtime.settings import CommonSettings
from posada_testkit.otlp import otlp_sink
from posada_testkit.tally import TallyOpened

PROCESS = """
import asyncio, sys
from contextlib import suppress
from posada_contracts.errors import PosadaError
from posada_runtime.service import Service, platform
from posada_runtime.settings import CommonSettings
from posada_runtime.telemetry import span
from posada_testkit.tally import Count, HowMany, count

async def main():
    async with platform(CommonSettings(), "testkit") as house:
        async def handle(command):
            return (await count(house.store, command)).total
        async def crash(query):
            raise RuntimeError("the password is hunter2")
        service = Service(house)
        service.hear(Count, handle)
        service.hear(HowMany, crash)
        async with service.serving():
            with span("request"):
                await house.bus.ask(Count(tenant="acme", tally_id="t"))
            with suppress(PosadaError), span("bad request"):
                await house.bus.ask(HowMany(tenant="acme", tally_id="t"))

asyncio.run(main())
"""


async def run_traced(common: CommonSettings, endpoint: str) -> str:
    """What the process wrote to stderr."""
    env = {"POSADA_NATS_URL": common.nats_url.get_secret_value(), "POSADA_OTLP_ENDPOINT": endpoint}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, env=env, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_ask_handle_and_execute_are_one_trace_that_the_event_remembers(
    store: EventStore, common_settings: CommonSettings
) -> None:
    with otlp_sink() as sink:
        await run_traced(common_settings, sink.endpoint)
    (execute,) = sink.named("execute Count")
    assert sink.path_to(execute) == ["request", "ask cmd.tally.count", "Count", "execute Count"]
    (recorded,) = [each async for each in store.read(EVENT_SUBJECTS)]
    assert isinstance(recorded.event, TallyOpened)
    assert recorded.trace_id == execute.trace_id
    assert {span.service for span in sink.spans} == {"testkit"}
    assert execute.failed == ""


async def test_a_failed_span_names_the_kind_of_error_and_not_its_text(common_settings: CommonSettings) -> None:
    with otlp_sink() as sink:
        await run_traced(common_settings, sink.endpoint)
    (asked,) = sink.named("ask qry.tally.how_many")
    (handled,) = sink.named("HowMany")
    assert (asked.failed, handled.failed) == ("PosadaError", "RuntimeError")
    assert not any(b"hunter2" in body for body in sink.raw)


async def test_a_collector_that_is_away_disturbs_nothing(common_settings: CommonSettings, store: EventStore) -> None:
    await run_traced(common_settings, "http://127.0.0.1:9")
    assert await store.last_sequence() == 1


async def test_log_lines_carry_the_trace_they_belong_to(common_settings: CommonSettings, store: EventStore) -> None:
    said = await run_traced(common_settings, "")
    (recorded,) = [each async for each in store.read(EVENT_SUBJECTS)]
    lines = [line for line in said.splitlines() if '"handler_failed"' in line]
    assert len(lines) == 1
    assert '"trace_id": "' in lines[0]
    assert len(recorded.trace_id) == 32
