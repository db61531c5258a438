"""The `posada` command line. Its exit codes are in `codes.py`."""

from posada_client.cli.app import main

__all__ = ["main"]
