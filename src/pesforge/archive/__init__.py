"""A study as an archive that another person can check: what belongs to it, and the rerun that compares with it."""
