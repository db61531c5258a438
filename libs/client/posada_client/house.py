"""The house as a whole: keys, replay, audit, numbers, health."""

from __future__ import annotations

from collections.abc import Iterator

from posada_client.decode import decode
from posada_client.models import AuditReport, Health, Key, NewKey, Platform, ReplayReport, Stats
from posada_client.transport import Ask, Transport, body_of, problem_in, segment

#: Seconds a walk over the whole log may take: a little more than the server gives it.
LONG = 630.0


class Keys:
    """`client.keys`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, tenant: str | None = None) -> Iterator[Key]:
        """The tenant's keys, revoked ones too; never their secrets. Another tenant's are for the house's admins."""
        return (decode(Key, item) for item in self._transport.pages("/v1/keys", {"tenant": tenant}))

    def issue(self, role: str, label: str = "", *, tenant: str | None = None) -> NewKey:
        """Make a key. Its secret is told this once.

        Another tenant's are for the house's admins; a tenant that is new comes to be with its first key.
        """
        body = {"role": role, "label": label} | ({} if tenant is None else {"tenant": tenant})
        return decode(NewKey, self._transport.json(Ask.making("/v1/keys", body)))

    def revoke(self, key_id: str) -> None:
        """The key opens nothing any more. Safe to repeat."""
        self._transport.json(Ask(method="DELETE", path=f"/v1/keys/{segment(key_id)}", repeat=True))


class House:
    """What concerns the installation; reached through the client itself."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def replay(self, *, verify: bool = True, from_scratch: bool = False, timeout: float = LONG) -> ReplayReport:
        """Build the read models anew from the event log: compare them, and with `from_scratch` put them in place."""
        body = {"verify": verify, "from_scratch": from_scratch}
        ask = Ask(method="POST", path="/v1/replay", body=body, timeout=timeout)
        return decode(ReplayReport, self._transport.json(ask))

    def audit(self, *, timeout: float = LONG) -> AuditReport:
        """Walk the whole log and say where it does not hold together."""
        return decode(AuditReport, self._transport.json(Ask(path="/v1/audit", timeout=timeout)))

    def stats(self) -> Stats:
        """The tenant's share of the house in numbers."""
        return decode(Stats, self._transport.json(Ask(path="/v1/stats", repeat=True)))

    def platforms(self) -> list[Platform]:
        """The platforms that this installation can work on."""
        answer = self._transport.json(Ask(path="/v1/platforms", repeat=True))
        items = answer.get("items") if isinstance(answer, dict) else answer
        return [decode(Platform, item) for item in items or []]

    def health(self) -> Health:
        """Every dependency, probed for real. A sick house is an answer, too, not a problem."""
        response = self._transport.send(Ask(path="/health"))
        document = body_of(response) if response.status_code in (200, 503) else None
        if not isinstance(document, dict) or "services" not in document:
            raise problem_in(response)
        return decode(Health, document)

    def ready(self) -> bool:
        """Whether it takes traffic. Raises UnreachableError."""
        return self._transport.send(Ask(path="/readyz")).is_success
