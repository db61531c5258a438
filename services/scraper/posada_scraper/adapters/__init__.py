"""The outside world: browsers and sites over HTTP."""
