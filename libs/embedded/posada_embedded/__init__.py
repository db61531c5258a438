"""NATS and Postgres as child processes from wheels, for one machine and for tests."""
