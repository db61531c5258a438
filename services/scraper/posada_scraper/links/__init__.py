"""Sessions that a phone lets in by a QR code.

`domain` the link's life · `journal` writes it · `codes` the QR of the moment, in memory only · `watch` follows one
link's page · `watchers` which links this process follows · `handlers` what is heard ·
`wiring` puts it together
"""
