"""How much the Studio reads at once. Needs no torch."""

MOST_BODY = 1_000_000
"""Bytes of a request, of which the text is nearly all."""
MOST_STEPS = 20_000
"""Words or steps of a text or a series."""
