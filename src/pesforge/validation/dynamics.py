"""Molecular dynamics by a potential: conservation of energy, stability, density at zero pressure, pair distribution."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from ase.md.verlet import VelocityVerlet

from pesforge.errors import PesforgeError
from pesforge.fields import BOLTZMANN_EV_PER_K, FAMILY, TEMPERATURE_K
from pesforge.proof_settings import Dynamics
from pesforge.provenance import derive_seed
from pesforge.sampling.autocorrelation import autocorrelation_time
from pesforge.sampling.trajectory import radial_distribution
from pesforge.settings import Tolerances
from pesforge.validation.check import Check, absolute, not_applicable
from pesforge.validation.elastic_constants import FloatArray, standard_axes
from pesforge.validation.excess import supercell

GROUP = "dynamics"
STRIDE = 10
"""Steps between states that are kept."""
ABSURD_EV_PER_ANG = 100.0
RUNAWAY = 3.0
"""A run without thermostat has failed when its energy per atom has moved by so many k_B T."""
SWOLLEN = 1.5
"""A run at zero pressure has failed when its volume has changed by this factor."""
THERMOSTAT_FS = 100.0
BAROSTAT_FS = 500.0
SHELL_ANG = 0.3
"""An atom and its image are that much nearer than a cell vector at most, in a distribution that has no such pairs."""
CRYSTALS, MELT = ("md", "phonon"), ("liquid",)
"""Families whose labelled snapshots the pair distributions are drawn beside: crystal and melt."""


class Walk:
    """A run that stops where the potential fails.

    Attributes:
        atoms: the moving structure.
        energies: potential plus kinetic energy per atom in eV after every step.
        temperatures: of all 3n velocities in K after every step.
        volumes: volume per atom in Å³ after every step.
        states: positions (n, 3) in Å, every ten steps.
        failure: why the run ended early; None: it did not.
    """

    def __init__(self, dynamics: VelocityVerlet | LangevinBAOAB, temperature_k: float, *, conserving: bool) -> None:
        self.dynamics, self.atoms = dynamics, dynamics.atoms
        self.calculator: Any = self.atoms.calc
        self.limit = RUNAWAY * BOLTZMANN_EV_PER_K * temperature_k if conserving else np.inf
        self.at_rest = float(self.atoms.get_volume()) / len(self.atoms)
        self.energies: list[float] = []
        self.temperatures: list[float] = []
        self.volumes: list[float] = []
        self.states: list[FloatArray] = []
        self.steps = 0
        self.failure: str | None = None

    def forget(self) -> None:
        """Begin the part that is measured."""
        self.energies, self.temperatures, self.volumes, self.states = [], [], [], []

    def go(self, steps: int) -> bool:
        """Take steps; False where the run has failed."""
        for _ in range(steps):
            if self.failure is None:
                try:
                    self._step()
                except PesforgeError as error:
                    self.failure = str(error)
        return self.failure is None

    def _step(self) -> None:
        self.dynamics.step()
        self.steps += 1
        found = self.calculator.results  # of this very state; asking the atoms would compare them with it first
        largest = float(np.abs(found["forces"]).max())
        if not largest <= ABSURD_EV_PER_ANG:
            self.failure = f"force of {largest:.3g} eV/Å"
            return
        kinetic = float(self.atoms.get_kinetic_energy()) / len(self.atoms)
        energy = float(found["energy"]) / len(self.atoms) + kinetic
        self.energies.append(energy)
        self.temperatures.append(2 / 3 * kinetic / BOLTZMANN_EV_PER_K)
        self.volumes.append(float(self.atoms.get_volume()) / len(self.atoms))
        swelling = self.volumes[-1] / self.at_rest
        if abs(energy - self.energies[0]) > self.limit:
            self.failure = f"the energy has moved by {1e3 * (energy - self.energies[0]):.3g} meV/atom"
        elif not 1 / SWOLLEN < swelling < SWOLLEN:
            self.failure = f"the volume is {swelling:.2f} times that at rest"
        elif self.steps % STRIDE == 0:
            self.states.append(self.atoms.positions.copy())


def conserve(
    calculator: Calculator, crystal: Atoms, temperature_k: float, settings: Dynamics, seed: int
) -> dict[str, Any]:
    """A run without thermostat: drift of the energy, time to failure, and the pair distribution.

    Velocities begin at twice the temperature, half of which goes into the potential energy of a crystal at rest. The
    drift is the slope of the total energy by least squares over the measured part.

    Args:
        calculator: the potential.
        crystal: supercell at its minimum.
        temperature_k: temperature in K.
        settings: time step and times.
        seed: of the velocities.
    """
    atoms = crystal.copy()
    atoms.calc = calculator
    thermalize_momenta(atoms, temperature_K=2 * temperature_k, rng=np.random.default_rng(seed))
    Stationary(atoms, preserve_temperature=False)
    walk = Walk(VelocityVerlet(atoms, settings.timestep_fs * units.fs), temperature_k, conserving=True)
    if walk.go(_steps(settings.equilibration_ps, settings)):
        walk.forget()
        walk.go(_steps(settings.energy_ps, settings))
    times = 1e-3 * settings.timestep_fs * np.arange(len(walk.energies))
    drift = fluctuation = None
    if walk.failure is None:
        line = np.polynomial.Polynomial.fit(times, 1e3 * np.array(walk.energies), 1)
        drift = float(line.deriv()(0.0))
        fluctuation = float(np.std(1e3 * np.array(walk.energies) - line(times)))
    asked = settings.equilibration_ps + settings.energy_ps
    return {
        "temperature_k": temperature_k,
        "observed_k": float(np.mean(walk.temperatures)) if walk.failure is None else None,
        "asked_ps": asked,
        "reached_ps": asked if walk.failure is None else 1e-3 * settings.timestep_fs * walk.steps,
        "drift_mev_per_atom_per_ps": drift,
        "fluctuation_mev_per_atom": fluctuation,
        "failure": walk.failure,
        "times_ps": times[::STRIDE].tolist(),
        "change_mev_per_atom": [1e3 * (energy - walk.energies[0]) for energy in walk.energies[::STRIDE]],
        "rdf": radial_distribution(atoms, walk.states) if walk.states and walk.failure is None else None,
    }


def density(
    calculator: Calculator, crystal: Atoms, temperature_k: float, settings: Dynamics, seed: int
) -> dict[str, Any]:
    """Volume per atom at zero pressure with its standard error, by Langevin dynamics of atoms and cell.

    The cell of a cubic crystal keeps its shape, any other is free. The error is that of a mean over the measured part,
    with the autocorrelation time of the volume.

    Args:
        calculator: the potential.
        crystal: supercell at its minimum.
        temperature_k: temperature in K.
        settings: time step and times.
        seed: of velocities and thermostat.

    Source: D. Quigley and M. Probert, J. Chem. Phys. 120, 11432 (2004); integrator of ASE.
    """
    atoms = crystal.copy()
    atoms.calc = calculator
    rng = np.random.default_rng(seed)
    thermalize_momenta(atoms, temperature_K=2 * temperature_k, rng=rng)
    dynamics = LangevinBAOAB(
        atoms,
        timestep=settings.timestep_fs * units.fs,
        temperature_K=temperature_k,
        externalstress=0.0,
        hydrostatic=standard_axes(crystal).system == "cubic",
        T_tau=THERMOSTAT_FS * units.fs,
        P_tau=BAROSTAT_FS * units.fs,
        rng=rng,
    )
    walk = Walk(dynamics, temperature_k, conserving=False)
    if walk.go(_steps(settings.equilibration_ps, settings)):
        walk.forget()
        walk.go(_steps(settings.density_ps, settings))
    found: dict[str, Any] = {"temperature_k": temperature_k, "failure": walk.failure}
    if walk.failure is not None:
        return {**found, "volume_ang3_per_atom": None, "volume_se_ang3_per_atom": None, "density_g_per_cm3": None}
    volumes = np.array(walk.volumes)
    independent = max(1.0, len(volumes) / (2 * autocorrelation_time(volumes)))
    mass = float(atoms.get_masses().mean())
    return {
        **found,
        "volume_ang3_per_atom": float(volumes.mean()),
        "volume_se_ang3_per_atom": float(volumes.std() / np.sqrt(independent)),
        "density_g_per_cm3": float(mass / volumes.mean() / units.mol * 1e24),
    }


def melt(calculator: Calculator, crystal: Atoms, settings: Dynamics, seed: int) -> dict[str, Any]:
    """A run at constant volume that melts the crystal, and the pair distribution of its second half.

    Args:
        calculator: the potential.
        crystal: supercell.
        settings: temperature, time step and time.
        seed: of velocities and thermostat.
    """
    assert settings.melt_temperature_k is not None
    atoms = crystal.copy()
    atoms.calc = calculator
    rng = np.random.default_rng(seed)
    thermalize_momenta(atoms, temperature_K=2 * settings.melt_temperature_k, rng=rng)
    dynamics = LangevinBAOAB(
        atoms,
        timestep=settings.timestep_fs * units.fs,
        temperature_K=settings.melt_temperature_k,
        T_tau=THERMOSTAT_FS * units.fs,
        rng=rng,
    )
    walk = Walk(dynamics, settings.melt_temperature_k, conserving=False)
    half = _steps(settings.melt_ps / 2, settings)
    if walk.go(half):
        walk.forget()
        walk.go(half)
    way = atoms.positions - crystal.positions
    moved = float(np.sqrt(((way - way.mean(axis=0)) ** 2).sum(axis=1).mean()))
    return {
        "temperature_k": settings.melt_temperature_k,
        "failure": walk.failure,
        "moved_ang": moved if walk.failure is None else None,
        "rdf": radial_distribution(atoms, walk.states) if walk.states and walk.failure is None else None,
    }


def _steps(picoseconds: float, settings: Dynamics) -> int:
    return round(1e3 * picoseconds / settings.timestep_fs)


def run_dynamics(
    calculator: Calculator,
    crystal: Atoms,
    settings: Dynamics,
    *,
    temperatures_k: Sequence[float],
    frames: Sequence[Atoms],
    seed: int,
) -> dict[str, Any]:
    """Evidence of all runs: `energy`, `density`, `expansion_per_k`, `melt`, and `references` of pair distributions.

    Args:
        calculator: the potential.
        crystal: its perfect crystal, at its minimum.
        settings: sizes and times.
        temperatures_k: temperatures in K.
        frames: labelled structures, whose snapshots the pair distributions are drawn beside.
        seed: seed of the study.
    """
    cell = crystal.repeat(supercell(crystal, settings.width_ang))
    energy, volumes, references = [], [], []
    for temperature in temperatures_k:
        own = derive_seed(seed, GROUP, f"{temperature:g}")
        energy.append(conserve(calculator, cell, temperature, settings, own))
        if settings.density_ps > 0:
            volumes.append(density(calculator, cell, temperature, settings, own))
        references += list(snapshots(frames, CRYSTALS, temperature))
    molten = None
    if settings.melt_temperature_k is not None:
        molten = melt(calculator, cell, settings, derive_seed(seed, GROUP, "melt"))
        temperatures = sorted({float(frame.info[TEMPERATURE_K]) for frame in frames if frame.info[FAMILY] in MELT})
        for temperature in temperatures:
            references += list(snapshots(frames, MELT, temperature))
    return {
        "atoms": len(cell),
        "timestep_fs": settings.timestep_fs,
        "energy": energy,
        "density": volumes,
        "expansion": expansion(volumes),
        "melt": molten,
        "references": references,
    }


def expansion(volumes: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """Linear thermal expansion between the lowest and the highest temperature in 10⁻⁶/K with its standard error.

    Args:
        volumes: what `density` found.
    """
    known = sorted((row for row in volumes if row["failure"] is None), key=lambda row: float(row["temperature_k"]))
    if len(known) < 2:
        return None
    cold, hot = known[0], known[-1]
    span = hot["temperature_k"] - cold["temperature_k"]
    ratio = hot["volume_ang3_per_atom"] / cold["volume_ang3_per_atom"]
    error = np.hypot(*(row["volume_se_ang3_per_atom"] / row["volume_ang3_per_atom"] for row in (cold, hot))) / 3
    return {
        "from_k": cold["temperature_k"],
        "to_k": hot["temperature_k"],
        "linear_1e6_per_k": float(1e6 * (np.cbrt(ratio) - 1) / span),
        "linear_se_1e6_per_k": float(1e6 * error / span),
    }


def snapshots(frames: Sequence[Atoms], families: Sequence[str], temperature_k: float) -> Iterator[dict[str, Any]]:
    """Pair distributions of the labelled snapshots of families at a temperature; only those of one cell together.

    They end at the shortest vector of the cell: an atom and its images are no pairs, which is wrong from there on.

    Args:
        frames: labelled structures.
        families: names of the families.
        temperature_k: temperature in K.
    """
    for family in families:
        members = [it for it in frames if it.info[FAMILY] == family and it.info[TEMPERATURE_K] == temperature_k]
        same = [it for it in members if len(it) == len(members[0]) and np.allclose(it.cell, members[0].cell)]
        if same:
            rdf = radial_distribution(same[0], [frame.positions for frame in same])
            shown = sum(r < float(same[0].cell.lengths().min()) - SHELL_ANG for r in rdf["r_ang"])
            yield {
                "family": family,
                "temperature_k": temperature_k,
                "structures": len(same),
                "atoms": len(same[0]),
                "rdf": {key: values[:shown] for key, values in rdf.items()},
            }


def dynamics_checks(evidence: Mapping[str, Any], tolerances: Tolerances) -> list[Check]:
    """Checks of the drift of the energy and of the time without failure at every temperature.

    Args:
        evidence: what `run_dynamics` found, and `why` it was not run or None.
        tolerances: largest drift.
    """
    if evidence["why"]:
        return [not_applicable("energy drift", GROUP, unit="meV/atom/ps", meaning=evidence["why"])]
    checks = []
    for run in evidence["energy"]:
        at = f"{run['temperature_k']:g} K"
        drift = run["drift_mev_per_atom_per_ps"]
        checks.append(
            absolute(
                f"energy drift at {at}",
                GROUP,
                np.nan if drift is None else drift,
                tolerance=tolerances.drift_mev_per_atom_per_ps,
                unit="meV/atom/ps",
                meaning=f"slope of the total energy without thermostat, {evidence['atoms']} atoms, steps of "
                f"{evidence['timestep_fs']:g} fs",
            )
        )
        checks.append(
            absolute(
                f"time without failure at {at}",
                GROUP,
                run["reached_ps"],
                reference=run["asked_ps"],
                tolerance=0.0,
                unit="ps",
                meaning=run["failure"] or "forces stay finite and the energy stays",
            )
        )
    return checks
