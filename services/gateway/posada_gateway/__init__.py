"""The only door: REST, SSE, keys, tenants, limits."""
