"""Potentials: one model per file, from descriptors to energies, forces and stresses."""
