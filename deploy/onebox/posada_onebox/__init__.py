"""The whole platform on one machine: the same service processes, on embedded servers."""
