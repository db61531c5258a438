"""`posada doctor`: what is missing on this machine, what that means, and how to get it."""
