"""Which bins of configuration space are filled, and structures that fill the empty ones."""
