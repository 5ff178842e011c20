"""All families of structures: the type of their settings and their sampler, one signature for all."""

from collections.abc import Callable
from typing import Any

from ase import Atoms

from pesforge.family_settings import (
    Compression,
    Interstitial,
    Phonon,
    StackingFault,
    Strain,
    Surface,
    Thermal,
    Vacancy,
    Volume,
    Wide,
)
from pesforge.sampling import (
    compression,
    dimer,
    interstitial,
    phase,
    phonon,
    shared,
    stacking_fault,
    strain,
    surface,
    thermal,
    vacancy,
    volume,
    wide,
)
from pesforge.sampling.measured import Measured
from pesforge.settings_types import Section

Sampler = Callable[[Atoms, Any, Measured, int], list[Atoms]]
FAMILIES: dict[str, tuple[type[Section], Sampler]] = {
    thermal.NAME: (Thermal, thermal.sample),
    strain.NAME: (Strain, strain.sample),
    volume.NAME: (Volume, volume.sample),
    surface.NAME: (Surface, surface.sample),
    stacking_fault.NAME: (StackingFault, stacking_fault.sample),
    vacancy.NAME: (Vacancy, vacancy.sample),
    interstitial.NAME: (Interstitial, interstitial.sample),
    phase.NAME: (phase.PhaseCells, phase.sample),
    dimer.NAME: (dimer.DimerCurve, dimer.sample),
    compression.NAME: (Compression, compression.sample),
    phonon.NAME: (Phonon, phonon.sample),
    wide.NAME: (Wide, wide.sample),
    shared.NAME: (shared.SharedCells, shared.sample),
}
