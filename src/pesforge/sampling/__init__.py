"""Families of structures, one per module, all with the signature `sample(parent, settings, stiffness, seed)`."""

from pesforge.sampling import strain, thermal, volume

FAMILIES = {"thermal": thermal.sample, "strain": strain.sample, "volume": volume.sample}
