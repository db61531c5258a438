"""The platforms: one file each, with a data file beside it for what its site may change any day."""
