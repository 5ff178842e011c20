"""Molecular dynamics under guard: one run, its energies and states, and what is measured on them."""

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.velocitydistribution import thermalize_momenta

from pesforge.driven_settings import Moving
from pesforge.errors import PesforgeError
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.pairs import find_pairs
from pesforge.sampling.autocorrelation import TRUSTED, autocorrelation_time
from pesforge.sampling.drive import Drive
from pesforge.sampling.frames import FloatArray

STRIDE = 10
"""Steps between states that are kept; each of them passed the whole guard."""
RDF_REACH_ANG = 6.0
RDF_BINS = 60
RDF_STATES = 200
"""Most states that a radial distribution averages."""
FIRST_DAMPINGS = 25
"""The autocorrelation time is first measured on so many times of the thermostat: shorter runs make it too small."""


class Trajectory:
    """A run at constant volume with Langevin's thermostat (BAOAB), stopped by the guard.

    A run that a leverage stopped ends at its `edge`: forces and distances there are sound, and a label of it would
    teach what the run met.

    The centre of mass is not held: it diffuses without a force on it, and all other degrees of freedom have their exact
    canonical distribution. States are given without its drift. BAOAB samples positions of a harmonic crystal without an
    error of the time step.

    Args:
        atoms: where to begin; not changed.
        drive: driver and guard.
        settings: time step and damping.
        temperature_k: temperature in K, also of the first velocities.
        seed: of velocities and thermostat.

    Source: B. Leimkuhler and C. Matthews, J. Chem. Phys. 138, 174102 (2013); integrator of ASE.
    """

    def __init__(self, atoms: Atoms, drive: Drive, settings: Moving, temperature_k: float, seed: int) -> None:
        self.atoms, self.guard, self.settings = atoms.copy(), drive.guard, settings
        self.steps = 0
        self.stopped: str | None = None
        self.edge: FloatArray | None = None
        self.start = atoms.positions.copy()
        self.energies: list[float] = []
        self.temperatures: list[float] = []
        self.states: list[FloatArray] = []
        rng = np.random.default_rng(seed)
        self.atoms.calc = drive.calculator()
        thermalize_momenta(self.atoms, temperature_K=temperature_k, rng=rng)
        try:
            self.dynamics = LangevinBAOAB(
                self.atoms,
                timestep=settings.timestep_fs * units.fs,
                temperature_K=temperature_k,
                T_tau=settings.damping_fs * units.fs,
                rng=rng,
            )
            self._look()
        except PesforgeError as error:
            self.stopped = str(error)

    def forget(self) -> None:
        """Begin a new part of the run: energies, temperatures and states so far no longer count."""
        self.energies, self.temperatures, self.states = [], [], []

    def set_temperature(self, temperature_k: float) -> None:
        """Let the thermostat aim at another temperature in K."""
        self.dynamics.set_temperature(temperature_k)

    def run(self, strides: int) -> bool:
        """Take `strides` times 10 steps and keep the state after each ten; False where the guard stopped the run."""
        for _ in range(strides):
            if self.stopped is None:
                self._stride()
        return self.stopped is None

    def _stride(self) -> None:
        energies, temperatures = [], []
        try:
            for _ in range(STRIDE):
                self.dynamics.step()
                self.steps += 1
                self.stopped = self.guard.absurd(self.atoms.get_forces())
                if self.stopped is not None:
                    return
                energies.append(float(self.atoms.get_potential_energy()))
                temperatures.append(self._temperature())
            self._look()
        except PesforgeError as error:
            self.stopped = str(error)
        if self.stopped is None:
            self.energies += energies
            self.temperatures += temperatures
            self.states.append(self._position())

    def _look(self) -> None:
        """The whole guard."""
        self.stopped = self.guard.absurd(self.atoms.get_forces()) or self.guard.too_near(self.atoms)
        if self.stopped is None:
            self.stopped = self.guard.unknown(self.atoms)
            self.edge = None if self.stopped is None else self._position()

    def _temperature(self) -> float:
        """Temperature of all 3n velocities in K."""
        return float(2 * self.atoms.get_kinetic_energy() / (3 * len(self.atoms) * BOLTZMANN_EV_PER_K))

    def _position(self) -> FloatArray:
        """Positions (n, 3) in Å, not wrapped, without the drift of the centre of mass."""
        masses = self.atoms.get_masses()
        drift = masses @ (self.atoms.positions - self.start) / masses.sum()
        return np.asarray(self.atoms.positions - drift)

    def memory_steps(self) -> float:
        """Autocorrelation time of the potential or the whole energy of the present part, the longer one, in steps."""
        kinetic = 1.5 * len(self.atoms) * BOLTZMANN_EV_PER_K * np.array(self.temperatures)
        return max(autocorrelation_time(self.energies), autocorrelation_time(self.energies + kinetic))

    def moved_ang(self) -> float:
        """Root mean square of the way of the atoms since the start, in Å, without the drift of the centre of mass."""
        return float(np.sqrt(((self._position() - self.start) ** 2).sum(axis=1).mean()))

    def evidence(self, temperature_k: float, requested: int, given: int) -> dict[str, Any]:
        """What every run says of itself; the temperature observed is that of the present part."""
        observed = float(np.mean(self.temperatures)) if self.temperatures else None
        return {
            "temperature_k": temperature_k,
            "temperature_observed_k": observed,
            "atoms": len(self.atoms),
            "steps": self.steps,
            "timestep_fs": self.settings.timestep_fs,
            "tau_fs": None,
            "spacing_fs": None,
            "requested": requested,
            "given": given,
            "stopped": self.stopped,
            "note": None,
            "rdf": radial_distribution(self.atoms, self.states) if self.states else None,
        }


def independent_states(run: Trajectory, count: int, most_steps: int) -> tuple[list[FloatArray], dict[str, Any]]:
    """Positions (n, 3) in Å of up to `count` states of a run in equilibrium, 2τ apart or more, and what was measured.

    τ is the integrated autocorrelation time of the potential energy, or that of the whole energy where it is longer: in
    a crystal the oscillations of the former cancel in the sum, and half of the memory with them. It is measured on a
    first stretch, which grows until it is 50 τ long or all steps are taken; later states do not change it, so that a
    larger count keeps the first ones. The first state stands a spacing after the beginning.

    Args:
        run: it goes on from where it is; energies and states before that are forgotten.
        count: how many.
        most_steps: where the run ends.
    """
    run.forget()
    most = max(1, most_steps // STRIDE)
    stretch = max(1, round(FIRST_DAMPINGS * run.settings.damping_fs / run.settings.timestep_fs / STRIDE))
    tau, measured = np.nan, 0
    while len(run.states) < most and run.run(min(stretch, most) - len(run.states)):
        tau, measured = run.memory_steps(), len(run.energies)
        if measured >= TRUSTED * tau:
            break
        stretch *= 2
    if not np.isfinite(tau):
        return [], {}
    spacing = int(np.ceil(2 * tau / STRIDE))
    missing = min(count * spacing, most) - len(run.states)
    if missing > 0:
        run.run(missing)
    states = run.states[spacing - 1 :: spacing][:count]
    fs = run.settings.timestep_fs
    short = "" if measured >= TRUSTED * tau else f"τ measured on {measured / tau:.0f} τ only; "
    few = "" if len(states) == count or run.stopped else "the longest time was reached; "
    return states, {
        "tau_fs": tau * fs,
        "measured_taus": measured / tau,
        "spacing_fs": spacing * STRIDE * fs,
        "energy_ev": float(np.mean(run.energies)),
        "note": (short + few).rstrip("; ") or None,
    }


def radial_distribution(atoms: Atoms, states: list[FloatArray]) -> dict[str, Any]:
    """Pair distribution g(r) of all pairs up to 6 Å, the mean of up to 200 states: `r_ang` (middle of a bin) and `g`.

    An atom and its own images are no pair: their distances are those of the cell, also in a melt.

    Args:
        atoms: elements and cell.
        states: positions (n, 3) in Å.
    """
    edges = np.linspace(0.0, RDF_REACH_ANG, RDF_BINS + 1)
    chosen = np.unique(np.linspace(0, len(states) - 1, min(RDF_STATES, len(states))).astype(int))
    work = Atoms(atoms.symbols, cell=atoms.cell, pbc=atoms.pbc)
    counts = np.zeros(RDF_BINS)
    for index in chosen:
        work.positions = states[index]
        first, second, distance = find_pairs(work, RDF_REACH_ANG, "ijd")
        counts += np.histogram(distance[first != second], edges)[0]
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    ideal = len(atoms) * (len(atoms) - 1) / atoms.get_volume() * shells * len(chosen)
    return {"r_ang": ((edges[1:] + edges[:-1]) / 2).tolist(), "g": (counts / ideal).tolist()}
