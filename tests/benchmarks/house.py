"""What a caller waits for, on the whole house."""

from __future__ import annotations

import uuid

import httpx
from harness import Result, compared, median_ms
from posada_runtime.service import platform
from posada_runtime.settings import CommonSettings
from posada_testkit.house import House
from pydantic import SecretStr


async def calls(house: House) -> list[Result]:
    """Creating a session through the gateway; the verdict on an expired login, by probe and by browser."""
    common = CommonSettings(nats_url=SecretStr(house.run["nats_url"]), data=house.data, log_level="error")
    headers = {"Authorization": f"Bearer {house.key}"}
    async with (
        platform(common, "bench") as connected,
        httpx.AsyncClient(base_url=house.url, headers=headers, timeout=60) as client,
    ):

        async def create() -> None:
            wanted = {"owner": uuid.uuid4().hex, "platform": "facebook"}
            (await client.post("/v1/sessions", json=wanted)).raise_for_status()

        async def read() -> None:
            (await client.get("/livez")).raise_for_status()

        wanted = {
            "owner": uuid.uuid4().hex,
            "platform": "facebook",
            "storage_state": house.login("bruno", expired=True),
        }
        session = (await client.post("/v1/sessions", json=wanted)).json()["id"]

        async def verdict(probe: str) -> None:
            answer = await client.post(f"/v1/sessions/{session}/validate", params={"probe": probe})
            answer.raise_for_status()
            assert (answer.json()["verdict"], answer.json()["probe"]) == ("expired", probe), answer.text

        return [
            await compared(
                "create a session by REST ÷ NATS round trip",
                lambda: median_ms(50, create),
                lambda: median_ms(200, connected.bus.ping),
                unit="ms",
            ),
            await compared(
                "create a session by REST ÷ the same server's /livez",
                lambda: median_ms(50, create),
                lambda: median_ms(50, read),
                unit="ms",
            ),
            await compared(
                "verdict on an expired login: HTTP probe ÷ browser",
                lambda: median_ms(10, lambda: verdict("http")),
                lambda: median_ms(3, lambda: verdict("browser")),
                unit="ms",
            ),
        ]
