"""The lab: pages that show what a browser is, holds and withstands."""
