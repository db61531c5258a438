"""Traces are made in every process of the house; so they are here."""

import pytest
from posada_runtime import telemetry
from posada_runtime.settings import CommonSettings


@pytest.fixture(scope="session", autouse=True)
def traced() -> None:
    telemetry.configure(CommonSettings(otlp_endpoint=""), "tests")
