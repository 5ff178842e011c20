"""A layer of directional messages: what an atom hears of a neighbour depends on the angles to its other neighbours."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms

from pesforge.errors import SettingsError
from pesforge.representations.arrays import FloatArray
from pesforge.representations.crystal_graph import CrystalGraph
from pesforge.representations.elements import species_index
from pesforge.representations.harmonics import spherical_harmonics
from pesforge.representations.radial import spherical_bessel
from pesforge.representations.smooth_cutoff import smooth_cutoff


@dataclass(frozen=True)
class DirectionalLayer:
    """h_i = Σ_e tanh(W m_e + b) f(d_e) over the edges e = (i, j) of atom i, with weights that are drawn, not trained.

    The message m_e of an edge holds R_n(d_ij) by the species of j; what j itself hears, Σ_k R_n(d_jk) by species; and
    the angles between e and all other edges of i, Σ_{k ≠ j} R_n(d_ik) P_l(cos θ_jik) by the species of k. By the
    addition theorem the last is 4π/(2l + 1) Σ_m Y_lm(e) A_lm with A_lm = Σ_k R_n(d_ik) Y_lm(k), less the term of e
    itself: no triplet is listed. f fades at the cutoff.

    Args:
        species: chemical symbols.
        cutoff_ang: cutoff radius in Å; messages vanish there with two derivatives. An atom hears up to twice as far.
        n_radial: radial functions.
        l_max: largest degree of the Legendre polynomials; −1: distances alone, no angles.
        width: length of h_i.
        seed: of the weights.

    Raises:
        SettingsError: a number is out of range.

    Source: Gasteiger, Groß and Günnemann, Int. Conf. Learn. Represent. (2020), for messages along directions.
    """

    species: tuple[str, ...]
    cutoff_ang: float
    n_radial: int = 6
    l_max: int = 4
    width: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.cutoff_ang < np.inf and self.n_radial >= 1 and self.l_max >= -1 and self.width >= 1):
            raise SettingsError("cutoff_ang, n_radial and width must be above 0, l_max must be -1 or more.")

    @cached_property
    def _weights(self) -> tuple[FloatArray, FloatArray]:
        """W (messages, width) and b (width,)."""
        rng = np.random.default_rng(self.seed)
        channels = self.n_radial * len(self.species)
        length = 2 * channels + channels * (self.l_max + 1)
        return rng.normal(size=(length, self.width)) / np.sqrt(length), rng.normal(size=self.width)

    def atoms(self, atoms: Atoms) -> FloatArray:
        """States h_i, (n, width).

        Args:
            atoms: the structure.

        Raises:
            DataError: it has no graph, or holds other elements.
        """
        kinds = species_index(atoms, self.species, "layer")
        graph = CrystalGraph.of(atoms, self.cutoff_ang)
        radial = spherical_bessel(graph.distance, self.n_radial, self.cutoff_ang)[0].T
        own = (radial[:, None, :] * np.eye(len(self.species))[kinds[graph.neighbour], :, None]).reshape(
            len(radial), self.n_radial * len(self.species)
        )
        heard = np.zeros((len(atoms), own.shape[1]))
        np.add.at(heard, graph.centre, own)
        messages = np.concatenate([own, heard[graph.neighbour], *self._angular(graph, own)], axis=1)
        weights, bias = self._weights
        fade = smooth_cutoff(graph.distance, self.cutoff_ang)
        states = np.zeros((len(atoms), self.width))
        np.add.at(states, graph.centre, np.tanh(messages @ weights + bias) * fade[:, None])
        return states

    def _angular(self, graph: CrystalGraph, own: FloatArray) -> list[FloatArray]:
        """Σ_{k ≠ j} R_n(d_ik) P_l(cos θ_jik) of every edge (i, j), (E, channels) for each l from 0 on."""
        if self.l_max < 0:
            return []
        harmonics = spherical_harmonics(graph.vector, self.l_max)[0].T
        found = []
        for degree in range(self.l_max + 1):
            along = harmonics[:, degree**2 : (degree + 1) ** 2]
            sums = np.zeros((len(graph.numbers), own.shape[1], 2 * degree + 1))
            np.add.at(sums, graph.centre, own[:, :, None] * along[:, None, :])
            around = np.einsum("ecm,em->ec", sums[graph.centre], along) * 4 * np.pi / (2 * degree + 1)
            found.append(around - own)
        return found
