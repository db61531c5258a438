"""Owns live Chromium: start, doors, leases, reaper."""
