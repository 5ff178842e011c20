"""Rounds of active learning: what is labelled next, how good the potential is on its exam, and when it is enough."""
