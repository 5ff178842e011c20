"""Labelled structures from anywhere: read, checked by name and index, and brought into the form of the pipeline."""

from pesforge.dataset.copies import copies_between, first_copies
from pesforge.dataset.labels import LabelKeys
from pesforge.dataset.reader import Dataset, check_species, read_dataset

__all__ = ["Dataset", "LabelKeys", "check_species", "copies_between", "first_copies", "read_dataset"]
