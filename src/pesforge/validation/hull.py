"""Formation energies and the convex hull of crystals whose energies share one set of reference settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pesforge.errors import DataError

ON_HULL_EV_PER_ATOM = 1e-9
"""A crystal on the hull is above it by the rounding of sums alone."""


@dataclass(frozen=True)
class Phase:
    """A crystal at the minimum of its energy.

    Args:
        name: formula and structure.
        counts: atoms of each element in its cell.
        energy_ev_per_atom: energy per atom.
        settings_hash: what the energy was computed with; energies of different settings have different zeros.
    """

    name: str
    counts: Mapping[str, int]
    energy_ev_per_atom: float
    settings_hash: str

    @property
    def element(self) -> str | None:
        """The element of an elemental crystal, None for a compound."""
        return next(iter(self.counts)) if len(self.counts) == 1 else None

    @property
    def fractions(self) -> dict[str, float]:
        """Share of the atoms that each element has."""
        atoms = sum(self.counts.values())
        return {element: count / atoms for element, count in self.counts.items()}


def one_settings(phases: Sequence[Phase]) -> str:
    """The settings that all energies share.

    Raises:
        DataError: there is no phase, or energies of different settings are mixed.
    """
    names: dict[str, list[str]] = {}
    for phase in phases:
        names.setdefault(phase.settings_hash, []).append(phase.name)
    if not names:
        raise DataError("there is no crystal to compute formation energies of.")
    if len(names) > 1:
        found = "; ".join(f"{', '.join(members)} with {key}" for key, members in sorted(names.items()))
        raise DataError(
            f"energies of different settings have different zeros and give no formation energies: {found}. Compute all "
            "crystals with one set of settings."
        )
    return next(iter(names))


def missing_references(compositions: Sequence[Mapping[str, int]]) -> list[str]:
    """Elements of some crystals that no elemental crystal among them gives a chemical potential."""
    elements = {element for counts in compositions for element in counts}
    alone = {next(iter(counts)) for counts in compositions if len(counts) == 1}
    return sorted(elements - alone)


def chemical_potentials(phases: Sequence[Phase]) -> dict[str, float]:
    """μ of every element in eV: the energy per atom of its lowest elemental crystal.

    Args:
        phases: crystals of one set of settings.

    Raises:
        DataError: settings are mixed, or an element has no elemental crystal.
    """
    one_settings(phases)
    missing = missing_references([phase.counts for phase in phases])
    if missing:
        raise DataError(f"no chemical potential for {', '.join(missing)}: no crystal of that element alone is there.")
    found: dict[str, float] = {}
    for phase in phases:
        if phase.element is not None:
            found[phase.element] = min(phase.energy_ev_per_atom, found.get(phase.element, phase.energy_ev_per_atom))
    return dict(sorted(found.items()))


def formation_energy(phase: Phase, potentials: Mapping[str, float]) -> float:
    """ΔE_f = (E − Σ n_i μ_i) / Σ n_i in eV per atom.

    Args:
        phase: crystal of energy E with n_i atoms of element i.
        potentials: chemical potentials μ_i in eV, of the same settings as the energy.
    """
    return phase.energy_ev_per_atom - sum(share * potentials[element] for element, share in phase.fractions.items())


def formation_energies(phases: Sequence[Phase]) -> list[float]:
    """ΔE_f of every crystal in eV per atom, with the chemical potentials of `chemical_potentials`.

    Raises:
        DataError: settings are mixed, or an element has no elemental crystal.
    """
    potentials = chemical_potentials(phases)
    return [formation_energy(phase, potentials) for phase in phases]


def energies_above_hull(phases: Sequence[Phase]) -> list[float]:
    """Energy of every crystal above the lower convex hull of all of them in eV per atom; 0 where it is stable.

    The hull is pymatgen's `PhaseDiagram` (Ong et al., Chem. Mater. 20, 1798 (2008)).

    Raises:
        DataError: settings are mixed, or an element has no elemental crystal.
    """
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    chemical_potentials(phases)
    entries = [
        PDEntry(Composition(dict(phase.counts)), phase.energy_ev_per_atom * sum(phase.counts.values()))
        for phase in phases
    ]
    diagram = PhaseDiagram(entries)
    above = [float(diagram.get_e_above_hull(entry) or 0.0) for entry in entries]
    return [energy if energy > ON_HULL_EV_PER_ATOM else 0.0 for energy in above]
