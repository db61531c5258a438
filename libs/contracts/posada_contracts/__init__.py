"""What Posada's services say to each other: commands, events, jobs and subjects, declared once."""

from posada_contracts import access, browser, errors, house, ids, job, link, messages, session, streams, vault

__all__ = ["access", "browser", "errors", "house", "ids", "job", "link", "messages", "session", "streams", "vault"]
