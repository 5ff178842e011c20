"""From descriptors to chosen potentials: cross-validation, the sweep of trained heads, and the choice among them."""
