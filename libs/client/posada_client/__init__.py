"""The Python SDK of Posada, and the `posada` command line.

from posada_client import PosadaClient

with PosadaClient("http://127.0.0.1:8080", api_key) as posada:
    session = posada.sessions.create("ana", "facebook", storage_state=state)
    job = posada.jobs.create("friends", session_id=session.id, target="https://…")
    posada.jobs.wait(job.id, on_progress=lambda job: print(job.progress.done))
    for record in posada.jobs.result(job.id):
        print(record)
"""

from posada_client.client import PosadaClient
from posada_client.errors import (
    ClientError,
    NoAnswerError,
    NotRunningError,
    PosadaProblem,
    UnexpectedAnswerError,
    UnreachableError,
    WaitTimeoutError,
)
from posada_client.follow import Manner
from posada_client.sessions import KEEP

__all__ = [
    "KEEP",
    "ClientError",
    "Manner",
    "NoAnswerError",
    "NotRunningError",
    "PosadaClient",
    "PosadaProblem",
    "UnexpectedAnswerError",
    "UnreachableError",
    "WaitTimeoutError",
]
