"""Chasqui Web's socket without a browser: nobody gets in without the key, and only a shown code links."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from posada_playground.child import Playground, RefusedError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

PHONE = "+51 900 000 001"
Start = Callable[..., Playground]


@contextmanager
def socket_to(playground: Playground) -> Iterator[ClientConnection]:
    with connect(f"{playground.url.replace('http', 'ws', 1)}/whatsapp/socket") as socket:
        yield socket


def heard(socket: ClientConnection, type_: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(socket.recv(timeout=20))
    assert said["type"] == type_
    return said


def new_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def signed(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Both numbers one after the other, as WebCrypto has it."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def send_proof(socket: ClientConnection, key: ec.EllipticCurvePrivateKey, signature: bytes) -> None:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    texts = {"key": base64.b64encode(der).decode(), "signature": base64.b64encode(signature).decode()}
    socket.send(json.dumps(texts))


def prove(socket: ClientConnection, key: ec.EllipticCurvePrivateKey) -> None:
    challenge = base64.b64decode(heard(socket, "challenge")["challenge"])
    send_proof(socket, key, signed(key, b"chasqui-web:" + challenge))


def is_refused(socket: ClientConnection) -> bool:
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=20)
    return closed.value.rcvd is not None and closed.value.rcvd.code == 4001


def test_a_scanned_code_links_the_key_and_the_next_connection_needs_none(playground: Playground) -> None:
    key = new_key()
    with socket_to(playground) as socket:
        prove(socket, key)
        ref = heard(socket, "code")["ref"]
        linked = playground.control("POST", "/whatsapp/scan", ref=ref, phone=PHONE)
        said = heard(socket, "connected")
    assert linked["phone"] == said["phone"] == PHONE
    assert len(said["chats"]) == 14
    with socket_to(playground) as socket:
        prove(socket, key)
        assert heard(socket, "connected") == said
        (device,) = playground.control("GET", "/whatsapp/devices")
        assert device["open_pages"] == 1
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert device["public_key"] == pem


def test_a_key_that_cannot_sign_is_nobodys(playground: Playground) -> None:
    owner, thief = new_key(), new_key()
    with socket_to(playground) as socket:
        prove(socket, owner)
        playground.control("POST", "/whatsapp/scan", ref=heard(socket, "code")["ref"], phone=PHONE)
        heard(socket, "connected")
    with socket_to(playground) as socket:
        challenge = base64.b64decode(heard(socket, "challenge")["challenge"])
        send_proof(socket, owner, signed(thief, b"chasqui-web:" + challenge))
        assert is_refused(socket)


def test_a_signature_is_good_for_one_challenge(playground: Playground) -> None:
    key = new_key()
    with socket_to(playground) as socket:
        old = signed(key, b"chasqui-web:" + base64.b64decode(heard(socket, "challenge")["challenge"]))
    with socket_to(playground) as socket:
        heard(socket, "challenge")
        send_proof(socket, key, old)
        assert is_refused(socket)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"key": "x", "signature": "x"}', '{"key": "AAAA", "signature": ""}'])
def test_what_is_no_proof_is_refused(playground: Playground, text: str) -> None:
    with socket_to(playground) as socket:
        heard(socket, "challenge")
        socket.send(text)
        assert is_refused(socket)


def test_keys_on_other_curves_are_refused(playground: Playground) -> None:
    key = new_key(ec.SECP384R1())
    with socket_to(playground) as socket:
        heard(socket, "challenge")
        send_proof(socket, key, bytes(64))
        assert is_refused(socket)


def test_a_page_that_talks_nonsense_later_on_is_hung_up_on(playground: Playground) -> None:
    with socket_to(playground) as socket:
        prove(socket, new_key())
        heard(socket, "code")
        socket.send('{"type": "linked"}')
        assert is_refused(socket)


def test_codes_rotate_then_wait_for_a_click_and_old_ones_are_refused(playground: Playground) -> None:
    playground.control("POST", "/whatsapp/qr", ms=50, rotations=3)
    with socket_to(playground) as socket:
        prove(socket, new_key())
        refs = [heard(socket, "code")["ref"] for _ in range(3)]
        heard(socket, "stale")
        assert len(set(refs)) == 3
        for ref in [*refs, "", "2@x,y"]:
            with pytest.raises(RefusedError, match="410"):
                playground.control("POST", "/whatsapp/scan", ref=ref, phone=PHONE)
        assert playground.control("POST", "/whatsapp/qr", ms=20_000) == {"ms": 20_000, "rotations": 3}
        socket.send('{"type": "refresh"}')
        ref = heard(socket, "code")["ref"]
        playground.control("POST", "/whatsapp/scan", ref=ref, phone=PHONE)
        heard(socket, "connected")
        with pytest.raises(RefusedError, match="410"):
            playground.control("POST", "/whatsapp/scan", ref=ref, phone="+51 900 000 002")


def test_a_code_of_a_page_that_is_gone_is_refused(playground: Playground) -> None:
    with socket_to(playground) as socket:
        prove(socket, new_key())
        ref = heard(socket, "code")["ref"]
    with pytest.raises(RefusedError, match="410"):
        playground.control("POST", "/whatsapp/scan", ref=ref, phone=PHONE)


def test_a_logout_ends_all_devices_of_one_phone_and_no_others(playground: Playground) -> None:
    with socket_to(playground) as one, socket_to(playground) as two, socket_to(playground) as other:
        for socket, phone in ((one, PHONE), (two, PHONE), (other, "+51 900 000 002")):
            prove(socket, new_key())
            playground.control("POST", "/whatsapp/scan", ref=heard(socket, "code")["ref"], phone=phone)
            heard(socket, "connected")
        assert playground.control("POST", "/whatsapp/logout", phone=PHONE) == {"phone": PHONE, "logged_out": 2}
        heard(one, "logged_out")
        heard(two, "logged_out")
        assert [each["phone"] for each in playground.control("GET", "/whatsapp/devices")] == ["+51 900 000 002"]
    assert playground.control("POST", "/whatsapp/logout", phone=PHONE)["logged_out"] == 0


def test_during_an_outage_there_is_no_page_and_no_socket(playground: Playground) -> None:
    playground.control("POST", "/down", seconds=60)
    assert httpx.get(f"{playground.url}/whatsapp/").status_code == 503
    with pytest.raises(InvalidStatus), socket_to(playground):
        pass


def test_sigterm_ends_it_cleanly_with_a_socket_open(playground: Playground) -> None:
    with socket_to(playground) as socket:
        prove(socket, new_key())
        heard(socket, "code")
        playground.process.terminate()
        assert playground.process.wait(10) == 0
