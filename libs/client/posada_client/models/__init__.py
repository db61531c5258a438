"""What the API answers, as frozen dataclasses. Times are UTC; every id is a string.

Members that a newer server adds are skipped, so an older client keeps working.
"""

from posada_client.models.browsers import Artifact, Browser, Runner, Usage
from posada_client.models.house import (
    AuditFault,
    AuditReport,
    Health,
    Key,
    NewKey,
    Platform,
    Probed,
    ReplayReport,
    Stats,
    TableCheck,
)
from posada_client.models.jobs import FINISHED, Job, JobError, Need, Progress
from posada_client.models.logins import SETTLED, Link, LinkCode, Token, TokenValue
from posada_client.models.sessions import Check, CleanReport, Event, Evidence, Past, Session, Step

__all__ = [
    "FINISHED",
    "SETTLED",
    "Artifact",
    "AuditFault",
    "AuditReport",
    "Browser",
    "Check",
    "CleanReport",
    "Event",
    "Evidence",
    "Health",
    "Job",
    "JobError",
    "Key",
    "Link",
    "LinkCode",
    "Need",
    "NewKey",
    "Past",
    "Platform",
    "Probed",
    "Progress",
    "ReplayReport",
    "Runner",
    "Session",
    "Stats",
    "Step",
    "TableCheck",
    "Token",
    "TokenValue",
    "Usage",
]
