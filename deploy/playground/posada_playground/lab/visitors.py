"""The lab's logins: no password, one click."""

import secrets


class Visitors:
    """Who is in, by the token in their cookie."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def enter(self, user: str) -> str:
        """A new login's token."""
        token = secrets.token_urlsafe(24)
        self._open[token] = user
        return token

    def who(self, token: str) -> str | None:
        return self._open.get(token)

    def leave(self, token: str) -> None:
        self._open.pop(token, None)

    def expire(self, user: str) -> int:
        """Ends every login of the user; how many there were."""
        mine = [token for token, who in self._open.items() if who == user]
        for token in mine:
            self.leave(token)
        return len(mine)
