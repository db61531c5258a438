"""Front door: settings -> one socket -> one JSON line on stdout -> serve until SIGTERM."""

import json
import secrets
import signal
import socket
import sys

import uvicorn

from posada_playground.app import create_app
from posada_playground.settings import Settings
from posada_playground.site import make_site


def main() -> None:
    # uvicorn raises a caught signal again once it has shut down: this makes that a clean exit.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    given = Settings()
    settings = given.model_copy(update={"control_key": given.control_key or secrets.token_urlsafe(24)})
    app = create_app(make_site(settings))
    with socket.create_server((settings.host, settings.port), backlog=256) as door:
        print(json.dumps(_announcement(settings, door, given.control_key == "")), flush=True)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        uvicorn.Server(config).run(sockets=[door])


def _announcement(settings: Settings, door: socket.socket, key_is_new: bool) -> dict[str, str]:
    host, port = door.getsockname()[:2]
    url = settings.public_url.rstrip("/") or f"http://{host}:{port}"
    return {"url": url, "control_key": settings.control_key} if key_is_new else {"url": url}


if __name__ == "__main__":
    main()
