"""The outside world of a runner: Chromium, its doors, its way out, its files."""
