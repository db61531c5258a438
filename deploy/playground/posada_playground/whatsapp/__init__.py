"""Chasqui Web: a messenger in the browser that a phone lets in by a QR code and that keeps its key in the browser."""
