"""Structure → numbers: the atomic cluster expansion, its design rows and its projections."""
