"""Fixtures, builders and the fault injector."""
