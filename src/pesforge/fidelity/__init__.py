"""Two levels of the reference method: blended labels, autoregression, and what they bring at equal cost."""
