"""The Python SDK and the posada command line."""
