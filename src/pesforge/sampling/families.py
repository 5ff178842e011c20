"""All families of structures: the type of their settings and their sampler, one signature for all."""

from collections.abc import Callable, Mapping
from typing import Any

from ase import Atoms

from pesforge.sampling import strain, thermal, volume
from pesforge.settings import Section, Strain, Thermal, Volume

Sampler = Callable[[Atoms, Any, Mapping[str, float], int], list[Atoms]]
FAMILIES: dict[str, tuple[type[Section], Sampler]] = {
    thermal.NAME: (Thermal, thermal.sample),
    strain.NAME: (Strain, strain.sample),
    volume.NAME: (Volume, volume.sample),
}
