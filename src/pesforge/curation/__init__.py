"""Data hygiene: what is dropped or flagged, and why; a filter returns decisions, so that nothing vanishes."""
