"""Login forms: driven in threads of their own, in few places, for a token."""
