"""Files of the classical potentials for LAMMPS: setfl (eam/alloy), Tersoff, and tables of pair energies.

LAMMPS knows no energy zeros: its energy is ours without them.
"""

from itertools import product
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from pesforge.errors import DataError
from pesforge.io import write_text
from pesforge.potentials.bonds import Bonds, NumpyFunctions, pair_numbers, species_pairs
from pesforge.potentials.classical import ClassicalPotential
from pesforge.potentials.eam import EamForm
from pesforge.potentials.pair import PairForm
from pesforge.potentials.tersoff import TersoffForm
from pesforge.representations.arrays import FloatArray

SETFL, TERSOFF, TABLE = "potential.eam.alloy", "potential.tersoff", "potential.table"
DISTANCES = 5001
"""Points of a table over the distance: interpolation stays below 1e-7 eV/Å."""
DENSITIES, LARGEST_DENSITY = 20001, 20.0
"""Points of the embedding and the end of its table; the density of the structures that were fitted is about 1."""
INNER_SHARE = 0.5
"""Start of a pair table over the distance of the minimum; nearer pairs stop LAMMPS with an error."""
NOTE = "energies of LAMMPS are those of pesforge without the energy zeros"


def write_classical(folder: Path | str, potential: ClassicalPotential) -> tuple[str, ...]:
    """Write the file of LAMMPS for a classical potential; returns the lines of an input that read it.

    Args:
        folder: place of the file, seen from where LAMMPS runs.
        potential: pair, embedded-atom or Tersoff potential.

    Raises:
        DataError: the form has no file.
    """
    place, names = Path(folder), " ".join(potential.species)
    form = potential.form
    if isinstance(form, EamForm):
        write_text(place / SETFL, setfl(form, potential))
        return "pair_style eam/alloy", f"pair_coeff * * {place / SETFL} {names}"
    if isinstance(form, TersoffForm):
        write_text(place / TERSOFF, tersoff_file(form, potential))
        return "pair_style tersoff", f"pair_coeff * * {place / TERSOFF} {names}"
    if isinstance(form, PairForm):
        write_text(place / TABLE, pair_table(form, potential))
        lines = [
            f"pair_coeff {one + 1} {other + 1} {place / TABLE} {_keyword(form, one, other)} {form.cutoff_ang:.10g}"
            for one, other in species_pairs(len(form.species))
        ]
        return f"pair_style table spline {2 * (DISTANCES - 1)}", *lines
    raise DataError(f"LAMMPS has no file for a potential of the kind {potential.kind}.")


def _keyword(form: PairForm, one: int, other: int) -> str:
    return f"{form.species[one]}-{form.species[other]}"


def _at_distances(form: PairForm | EamForm, distance: FloatArray, one: int, other: int) -> Bonds:
    """Bonds between two species at given distances, along x."""
    count, species = len(distance), len(form.species)
    pairs = np.eye(species * (species + 1) // 2)[pair_numbers(species)[one, other]]
    nothing = np.zeros(0, dtype=np.int64)
    return Bonds(
        atom_species=np.eye(species)[[one, other]],
        first=np.zeros(count, dtype=np.int64),
        second=np.ones(count, dtype=np.int64),
        first_species=np.tile(np.eye(species)[one], (count, 1)),
        second_species=np.tile(np.eye(species)[other], (count, 1)),
        pair_species=np.tile(pairs, (count, 1)),
        distance=distance,
        unit=np.tile([1.0, 0.0, 0.0], (count, 1)),
        constants=form.constants(distance),
        long=nothing,
        side=nothing,
    )


def _numbers(values: FloatArray) -> list[str]:
    """Lines of five numbers."""
    texts = [f"{value:.16e}" for value in values]
    return [" ".join(texts[start : start + 5]) for start in range(0, len(texts), 5)]


def setfl(form: EamForm, potential: ClassicalPotential) -> str:
    """The text of a setfl file (Daw, Foiles and Baskes, Mater. Sci. Rep. 9, 251 (1993)).

    Args:
        form: embedded-atom form of the potential.
        potential: the potential.
    """
    functions, parameters = NumpyFunctions(), potential.parameters
    distance = np.linspace(0.0, form.cutoff_ang, DISTANCES)
    density = np.linspace(0.0, LARGEST_DENSITY, DENSITIES)
    lines = ["embedded-atom potential written by pesforge", NOTE, "units metal"]
    lines.append(f"{len(form.species)} {' '.join(form.species)}")
    lines.append(f"{DENSITIES} {density[1]:.16e} {DISTANCES} {distance[1]:.16e} {form.cutoff_ang:.16e}")
    for number, symbol in enumerate(form.species):
        bonds = _at_distances(form, distance, number, number)
        membership = np.tile(np.eye(len(form.species))[number], (DENSITIES, 1))
        embedding, _ = form.embedding(functions, parameters, density, membership)
        values, _ = form.density(functions, parameters, bonds, bonds.second_species)
        atomic = atomic_numbers[symbol]
        lines.append(f"{atomic} {atomic_masses[atomic]:.6f} 0.0 none")
        lines += _numbers(embedding) + _numbers(values)
    for one in range(len(form.species)):
        for other in range(one + 1):
            value, _ = form.pair_energy(functions, parameters, _at_distances(form, distance, other, one))
            lines += _numbers(distance * value)
    return "\n".join(lines) + "\n"


def pair_table(form: PairForm, potential: ClassicalPotential) -> str:
    """The text of a table for `pair_style table`, one section per pair of species.

    Args:
        form: pair form of the potential.
        potential: the potential.
    """
    lines = [f"# pair potential written by pesforge; {NOTE}", "# units metal", ""]
    for number, (one, other) in enumerate(species_pairs(len(form.species))):
        start = INNER_SHARE * float(np.exp(potential.parameters["log_radius_ang"][number]))
        distance = np.linspace(start, form.cutoff_ang, DISTANCES)
        bonds = _at_distances(form, distance, one, other)
        value, slope = form.pair_energy(NumpyFunctions(), potential.parameters, bonds)
        lines += [_keyword(form, one, other), f"N {DISTANCES} R {start:.16e} {form.cutoff_ang:.16e}", ""]
        lines += [
            f"{index + 1} {r:.16e} {energy:.16e} {force:.16e}"
            for index, (r, energy, force) in enumerate(zip(distance, value, -slope, strict=True))
        ]
        lines.append("")
    return "\n".join(lines)


def tersoff_file(form: TersoffForm, potential: ClassicalPotential) -> str:
    """The text of a file for `pair_style tersoff`, one entry per triple of species.

    Args:
        form: bond-order form of the potential.
        potential: the potential.
    """
    middle, half = (form.inner_ang + form.outer_ang) / 2, (form.outer_ang - form.inner_ang) / 2
    values = {name: np.exp(array) if name.startswith("log_") else array for name, array in potential.parameters.items()}
    numbers = pair_numbers(len(form.species))
    lines = [
        f"# Tersoff potential written by pesforge; {NOTE}; UNITS: metal",
        "# elements: m gamma lambda3 c d cos(theta0) n beta lambda2 B R D lambda1 A",
    ]
    for i, j, k in product(range(len(form.species)), repeat=3):
        pair = numbers[i, j]
        entry = [
            3.0,
            1.0,
            float(np.cbrt(values["tau_per_ang3"][i])),
            *(float(values[name][i]) for name in ("log_c", "log_d", "h", "log_n", "log_beta")),
            float(values["log_lambda2_per_ang"][pair]),
            float(values["log_attraction_ev"][pair]),
            middle,
            half,
            float(values["log_lambda1_per_ang"][pair]),
            float(values["log_repulsion_ev"][pair]),
        ]
        symbols = " ".join(form.species[number] for number in (i, j, k))
        lines.append(f"{symbols} " + " ".join(f"{value:.16g}" for value in entry))
    return "\n".join(lines) + "\n"
