"""Requests to the gateway: the key, what may be repeated and when, and answers that are problems."""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from posada_client.errors import ClientError, NoAnswerError, NotRunningError, PosadaProblem, UnexpectedAnswerError

USER_AGENT = "posada-client/0.1"
#: How often one request is sent at most, and the longest pause in between that a server may ask for, in seconds.
ATTEMPTS = 3
LONGEST_PAUSE = 10.0
_FIRST_PAUSE = 0.25

Query = Mapping[str, str | int | None]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request. `repeat`: sending it twice does no harm. `timeout` None takes the client's, in seconds."""

    method: str = "GET"
    path: str
    query: Query = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat: bool = False
    timeout: float | None = None

    @classmethod
    def making(cls, path: str, body: Any, *, key: str | None = None, **rest: Any) -> Ask:
        """A POST that makes something, under an idempotency key: the same one however often it is sent."""
        headers = {"Idempotency-Key": key or str(uuid4()), **rest.pop("headers", {})}
        return cls(method="POST", path=path, body=body, headers=headers, repeat=True, **rest)


class Transport:
    """One connection pool to one gateway. Safe to use from several threads."""

    def __init__(self, base_url: str, api_key: str | None, timeout: float) -> None:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        # A proxy from the environment is for the outside world: it could not reach this machine's loopback.
        self._http = httpx.Client(
            base_url=self.base_url, headers=headers, timeout=timeout, trust_env=not is_loopback(base_url)
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(self, ask: Ask) -> Any:
        """The JSON answered; None for an empty answer.

        Raises:
            PosadaProblem: an error status.
            UnreachableError: no answer.
            UnexpectedAnswerError: not JSON.
        """
        response = self.send(ask)
        if not response.is_success:
            raise problem_in(response)
        return body_of(response)

    def content(self, ask: Ask) -> bytes:
        """A file as a whole, such as a picture. Raises as `json` does, but for what is no JSON."""
        response = self.send(ask)
        if not response.is_success:
            raise problem_in(response)
        return response.content

    def send(self, ask: Ask) -> httpx.Response:
        """The answer, whatever its status; repeated while that may help.

        Raises:
            UnreachableError: no answer.
        """
        for pause in self._pauses(ask):
            try:
                response = self._once(ask)
            except ClientError:
                if pause is None:
                    raise
                time.sleep(pause)
                continue
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or pause is None:
                return response
            time.sleep(max(pause, _wanted_pause(response)))
        raise AssertionError("the last attempt returns or raises")

    def pages(self, path: str, query: Query, cursor: str | None = None) -> Iterator[dict[str, Any]]:
        """The items of every page of a list, from a cursor on, fetched as they are needed."""
        while True:
            page = self.json(Ask(path=path, query={**query, "cursor": cursor}, repeat=True))
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise UnexpectedAnswerError(f"{path} should answer a page of items.")
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    @contextmanager
    def stream(self, ask: Ask) -> Iterator[httpx.Response]:
        """An answer read bit by bit; `ask.timeout` is the longest silence in it.

        Raises:
            PosadaProblem: an error status.
            UnreachableError: no answer, or it broke off while being read.
        """
        limits = httpx.Timeout(self.timeout, read=ask.timeout or self.timeout)
        with (
            self._translated(),
            self._http.stream(
                ask.method, ask.path, params=_present(ask.query), headers=ask.headers, timeout=limits
            ) as response,
        ):
            if not response.is_success:
                response.read()
                raise problem_in(response)
            yield response

    def _once(self, ask: Ask) -> httpx.Response:
        with self._translated():
            return self._http.request(
                ask.method,
                ask.path,
                params=_present(ask.query),
                json=ask.body,
                headers=ask.headers,
                timeout=ask.timeout or self.timeout,
            )

    def _pauses(self, ask: Ask) -> Iterator[float | None]:
        """The least pause after each attempt in seconds; None after the last."""
        if ask.repeat:
            for attempt in range(ATTEMPTS - 1):
                yield _FIRST_PAUSE * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311 - no secret, only jitter
        yield None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotRunningError(self.base_url, str(error)) from error
        except httpx.TimeoutException as error:
            raise NoAnswerError(f"{self.base_url} gave no answer in time.") from error
        except httpx.TransportError as error:
            raise NoAnswerError(f"The connection to {self.base_url} broke: {error}") from error
        except httpx.InvalidURL as error:
            raise NotRunningError(self.base_url, str(error)) from error


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def segment(text: str) -> str:
    """An id as one part of a path, whatever characters are in it."""
    return quote(text, safe="")


def body_of(response: httpx.Response) -> Any:
    """The JSON of an answer, None for an empty one. Raises UnexpectedAnswerError."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise UnexpectedAnswerError(f"{response.url.path} did not answer JSON.") from error


def problem_in(response: httpx.Response) -> PosadaProblem:
    """The problem that an answer with an error status tells of."""
    try:
        document = response.json()
    except ValueError:
        document = None
    problem = PosadaProblem.of(response.status_code, document)
    if (wanted := response.headers.get("Retry-After", "")).isdigit():
        problem.extra.setdefault("retry_after", int(wanted))
    return problem


def _present(query: Query) -> dict[str, str | int]:
    return {name: value for name, value in query.items() if value is not None}


def _wanted_pause(response: httpx.Response) -> float:
    """Seconds from Retry-After, within bounds. Its other form, a date, counts as none."""
    wanted = response.headers.get("Retry-After", "")
    return min(float(wanted), LONGEST_PAUSE) if wanted.isdigit() else 0.0
