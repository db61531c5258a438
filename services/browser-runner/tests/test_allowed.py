"""What browsers may reach."""

from __future__ import annotations

import pytest
from posada_browser_runner.allowed import Allowance, Allowed, BadAllowanceError

NOT_PUBLIC = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b:1::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_stands_beside_the_runner_is_not_reached(address: str) -> None:
    assert not Allowed([])("any.test", 80, address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_public_addresses_are_reached(address: str) -> None:
    assert Allowed([])("any.test", 443, address)


def test_a_name_that_a_proxy_resolves_is_the_proxy_s_to_judge() -> None:
    assert Allowed([])("any.test", 443, "")


def test_the_list_of_a_tenant_is_the_tenant_s_alone() -> None:
    lists = {"*": ["127.0.0.1:8080"], "acme": ["10.0.0.0/8"]}
    acme, other = Allowed.of_tenant(lists, "acme"), Allowed.of_tenant(lists, "other")
    for rule in (acme, other):
        assert rule("localhost", 8080, "127.0.0.1")
        assert not rule("localhost", 8081, "127.0.0.1")
    assert acme("intra", 1, "10.9.9.9")
    assert not other("intra", 1, "10.9.9.9")


@pytest.mark.parametrize("text", ["[fd00::1]:80", "fd00::/8", "127.0.0.1", "10.0.0.0/8:443"])
def test_an_entry_is_understood(text: str) -> None:
    assert Allowance.parse(text)


@pytest.mark.parametrize("text", ["", "localhost", "10.0.0.0/99", "127.0.0.1:http", "1.2.3.4:"])
def test_an_entry_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadAllowanceError):
        Allowance.parse(text)
