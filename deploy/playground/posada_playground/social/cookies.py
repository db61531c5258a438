"""The cookies of a login: set by the form, and handed out ready-made by the control API."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import Response

from posada_playground.logins import Login

YEAR = 365 * 24 * 3600  #: seconds
DEVICE_KEY = "carabook_device"  #: in localStorage


@dataclass(frozen=True, slots=True)
class Cookie:
    """Host-only, path /, SameSite=Lax. Without a lifetime it ends with the browser."""

    name: str
    value: str
    max_age: int | None = YEAR
    http_only: bool = True

    def set_on(self, response: Response, secure: bool) -> None:
        response.set_cookie(
            self.name,
            self.value,
            max_age=self.max_age,
            httponly=self.http_only,
            secure=secure,
            samesite="lax",
        )

    def stored(self, host: str, secure: bool) -> dict[str, object]:
        """The same in a Playwright storage_state."""
        return {
            "name": self.name,
            "value": self.value,
            "domain": host,
            "path": "/",
            "expires": -1 if self.max_age is None else time.time() + self.max_age,
            "httpOnly": self.http_only,
            "secure": secure,
            "sameSite": "Lax",
        }


def cookies_of(login: Login) -> list[Cookie]:
    return [
        Cookie("c_user", login.account.user_id, http_only=False),
        Cookie("xs", login.token),
        Cookie("datr", login.datr),
        Cookie("presence", f"C{login.account.user_id[-6:]}T{int(time.time())}", max_age=None, http_only=False),
    ]


def forget_login(response: Response) -> None:
    """What the site does with a login that is no more; the device stays known by `datr`."""
    for name in ("c_user", "xs", "presence"):
        response.delete_cookie(name, samesite="lax")


def storage_state(login: Login, origin: str) -> dict[str, object]:
    where = urlsplit(origin)
    cookies = [cookie.stored(where.hostname or "", where.scheme == "https") for cookie in cookies_of(login)]
    local = [{"name": DEVICE_KEY, "value": login.device}]
    return {"cookies": cookies, "origins": [{"origin": origin, "localStorage": local}]}
