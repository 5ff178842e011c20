"""The section `sample` of a study with every family switched on, small."""

SAMPLE = """\
sample:
  thermal: {temperatures_k: [300.0], count: 6}
  strain: {paths: 3, rattle_temperature_k: 100.0}
  volume: {count: 4}
  surface: {planes: [{hkl: [1, 0, 0]}, {hkl: [1, 1, 1]}], layers: 3, rattled: 1}
  stacking_fault: {lines: [{hkl: [1, 1, 1], direction: [1, -1, 0]}], points: 3, layers: 3}
  vacancy: {supercell: [1, 1, 1], count: 4}
  interstitial: {supercell: [1, 1, 1], count: 3}
  phase: {crystals: [{prototype: bcc, species: [SPECIES], lattice_constant_ang: 3.1}], volumes: 3}
  dimer: {distances: 4}
  compression: {count: 4, fraction_min: 0.75}
  phonon: {temperatures_k: [300.0], count: 4}
  wide: {width_ang: 6.5, temperatures_k: [300.0], count: 3}
  gaps: {count: 5}
"""
COUNTS = {
    "thermal": 6,
    "strain": 6,
    "volume": 4,
    "surface": 4,
    "stacking_fault": 3,
    "vacancy": 4,
    "interstitial": 3,
    "phase": 3,
    "compression": 4,
    "phonon": 4,
    "wide": 3,
    "gaps": 5,
}
"""Structures of each family but `dimer`, whose number depends on the number of elements."""


def sample_section(species: str) -> str:
    """The section for a study with an element that also forms the competing phase."""
    return SAMPLE.replace("SPECIES", species)
