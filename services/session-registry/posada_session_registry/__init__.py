"""Owns the session aggregate and projects the read models."""
