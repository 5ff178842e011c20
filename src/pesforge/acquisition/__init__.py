"""Which structures to label next, so that a linear potential learns most from each label."""
