"""Published benchmark sets: their labels from the network or from files, and our errors beside the published ones."""
