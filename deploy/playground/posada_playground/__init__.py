"""Look-alike sites to run against."""
