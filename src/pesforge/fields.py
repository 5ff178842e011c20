"""Names, shapes, units and signs of every quantity that is stored in a file of a study.

Inside the code everything is in ASE's units (eV, Å, eV/Å, eV/Å³, K) and ASE's stress convention (positive when
the cell wants to shrink under tension, Voigt order xx, yy, zz, yz, xz, xy). GPa appear only in what people read.
"""

from dataclasses import dataclass

EV_PER_ANG3_IN_GPA = 160.21766208
"""1 eV/Å³ in GPa (CODATA 2014, the value that ASE uses)."""

BOLTZMANN_EV_PER_K = 8.617330337217213e-05
"""Boltzmann constant in eV/K (CODATA 2014, the value that ASE uses)."""


@dataclass(frozen=True)
class Field:
    """One stored quantity."""

    name: str
    shape: str
    unit: str
    meaning: str


FIELDS = {
    field.name: field
    for field in (
        Field("id", "()", "", "name of the structure, unique in its study"),
        Field("family", "()", "", "sampler that made the structure"),
        Field("group", "()", "", "structures that share a group are never separated by a split"),
        Field("temperature_k", "()", "K", "temperature of thermal displacements; 0 where there are none"),
        Field("strain", "(6,)", "1", "ε of L' = (I + ε) L₀, 0 for other cells; order xx yy zz yz xz xy, tensor shear"),
        Field("parent", "()", "", "digest of the crystal or molecule that the structure was made from"),
        Field("seed", "()", "", "seed of the random numbers that made the structure"),
        Field("reference_cell", "(3, 3)", "Å", "cell without strain or fault; it alone decides the k-point mesh"),
        Field("settings_hash", "()", "", "digest of the reference settings that made the label"),
        Field("label_key", "()", "", "name of the label in the store of the study"),
        Field("energy", "()", "eV", "free energy of the whole cell"),
        Field("forces", "(n, 3)", "eV/Å", "negative gradient of the energy"),
        Field("stress", "(6,)", "eV/Å³", "derivative of the energy by strain over the volume, ASE's sign and order"),
    )
}

ID = "id"
FAMILY = "family"
GROUP = "group"
TEMPERATURE_K = "temperature_k"
STRAIN = "strain"
PARENT = "parent"
SEED = "seed"
REFERENCE_CELL = "reference_cell"
SETTINGS_HASH = "settings_hash"
LABEL_KEY = "label_key"
