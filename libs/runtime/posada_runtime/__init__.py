"""How it is said: bus, event store, projector, leases, vault, settings, telemetry, service main."""
