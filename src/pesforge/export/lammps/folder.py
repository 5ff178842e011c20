"""A folder with all that LAMMPS needs of a potential: files of both pair styles and an input to start from."""

from pathlib import Path

from ase.data import atomic_numbers

from pesforge.errors import DataError
from pesforge.export.calculator import Potential
from pesforge.export.lammps.ace_file import leverage_terms, write_ace_file
from pesforge.export.lammps.plugin import PLUGIN
from pesforge.export.yace import write_yace
from pesforge.io import write_text
from pesforge.potentials.model import Model
from pesforge.representations.arrays import FloatArray
from pesforge.representations.zbl import Zbl

ACE = "pesforge.ace"
YACE = "potential.yace"
EXAMPLE = "in.example"


def quoted(path: str) -> str:
    """A path as one word of a LAMMPS input."""
    return f'"{path}"' if any(character in path for character in " #&$") else path


def style_lines(style: str, file: Path | str, species: tuple[str, ...], baseline: Zbl | None = None) -> tuple[str, ...]:
    """Lines of a LAMMPS input that choose a pair style for a file, with the repulsion of nuclei on top of it.

    Args:
        style: `pesforge` or `pace`.
        file: of the potential, seen from where LAMMPS runs.
        species: chemical symbols of the atom types.
        baseline: repulsion; None: there is none.
    """
    if baseline is None:
        return f"pair_style {style}", f"pair_coeff * * {quoted(str(file))} {' '.join(species)}"
    charge = [atomic_numbers[symbol] for symbol in species]
    number = len(species)
    return (
        f"pair_style hybrid/overlay {style} zbl {baseline.inner_ang!r} {baseline.outer_ang!r}",
        f"pair_coeff * * {style} {quoted(str(file))} {' '.join(species)}",
        *(
            f"pair_coeff {i + 1} {j + 1} zbl {charge[i]}.0 {charge[j]}.0"
            for i in range(number)
            for j in range(i, number)
        ),
    )


def pair_lines(species: tuple[str, ...], folder: Path | str = ".", baseline: Zbl | None = None) -> tuple[str, ...]:
    """Lines of a LAMMPS input that choose our pair style.

    Args:
        species: chemical symbols of the atom types.
        folder: where the files of `write_lammps` are, seen from where LAMMPS runs.
        baseline: repulsion that is added to what the files hold; None: there is none.
    """
    plugin = f"plugin load {quoted(f'{folder}/{PLUGIN}')}"
    return plugin, *style_lines("pesforge", f"{folder}/{ACE}", species, baseline)


def _example(species: tuple[str, ...], leverage: bool, baseline: Zbl | None) -> str:
    """An input that runs 1,000 steps at constant energy."""
    order = ", ".join(f'"{symbol}"' for symbol in species)
    return "\n".join(
        [
            "# Run in this folder: lmp -in in.example",
            "# structure.data from Python, atoms being an ASE structure:",
            f'#   ase.io.write("structure.data", atoms, format="lammps-data", masses=True, specorder=[{order}])',
            "units metal",
            "atom_style atomic",
            "boundary p p p",
            "read_data structure.data",
            *pair_lines(species, baseline=baseline),
            "# With a LAMMPS that has ML-PACE instead:",
            *(f"#   {line}" for line in style_lines("pace", YACE, species, baseline)),
            *(
                [
                    "# Leverage of every atom, how far its neighbourhood is from the training data, every 100 steps:",
                    "fix leverage all pair 100 pesforge leverage 1",
                    "compute highest all reduce max f_leverage",
                ]
                if leverage
                else []
            ),
            "neighbor 1.0 bin",
            "neigh_modify delay 0 every 1 check yes",
            "velocity all create 300 1 mom yes rot no",
            "fix move all nve",
            "timestep 0.001",
            "thermo 100",
            f"thermo_style custom step temp pe etotal press{' c_highest' if leverage else ''}",
            "run 1000",
            "",
        ]
    )


def write_lammps(folder: Path | str, potential: Model, whitening: FloatArray | None = None) -> tuple[str, ...]:
    """Write `pesforge.ace`, `potential.yace` and `in.example`; returns what could not be written, and why.

    A repulsion of nuclei is in neither file: lines of the input add it as `pair_style zbl` (`style_lines`).

    Args:
        folder: place of the files.
        potential: a linear potential on ACE invariants.
        whitening: matrix W (K, R) of the leverage |Wᵀ b|², see `leverage_terms`; None: no leverage.

    Raises:
        DataError: the potential is of another kind, or the matrix does not fit it.
    """
    if not isinstance(potential, Potential) or potential.kind != "ace-linear":
        raise DataError(
            f"pair_style pesforge runs potentials of the kind ace-linear, not {potential.kind}. Fit one with "
            "pesforge fit --model ace."
        )
    place = Path(folder)
    compiled = potential.compiled()
    leverage = None if whitening is None else leverage_terms(potential.basis, whitening)
    write_ace_file(place / ACE, compiled, leverage)
    write_text(place / EXAMPLE, _example(potential.species, whitening is not None, potential.baseline))
    try:
        write_yace(place / YACE, compiled)
    except DataError as error:
        (place / YACE).unlink(missing_ok=True)
        return (f"{YACE} is not written: {error}",)
    return ()
