"""The only door: REST and SSE over the bus and the event log. It decides nothing and stores nothing of its own."""
