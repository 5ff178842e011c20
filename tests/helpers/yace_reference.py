"""Energies of a `.yace` file by direct sums, written from the format's description; shares nothing with the package."""

from pathlib import Path

import numpy as np
import yaml
from ase.neighborlist import neighbor_list
from scipy.special import sph_harm_y


class _Loader(yaml.SafeLoader):
    """A loader that takes lists as keys."""


def _mapping(loader, node):
    pairs = [
        (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
        for key, value in node.value
    ]
    return {tuple(key) if isinstance(key, list) else key: value for key, value in pairs}


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read(path):
    return yaml.load(Path(path).read_text(), Loader=_Loader)


def bessel(r, count, cutoff):
    """g_n(r) of Kocer et al. (2020), eqs. 6 to 8, summed up by their recursion."""

    def auxiliary(n):
        front = (-1) ** n * np.sqrt(2) * np.pi / cutoff**1.5 * (n + 1) * (n + 2) / np.sqrt((n + 1) ** 2 + (n + 2) ** 2)
        return front * (np.sinc(r * (n + 1) / cutoff) + np.sinc(r * (n + 2) / cutoff))

    found, d = [auxiliary(0)], 1.0
    for n in range(1, count):
        e = n**2 * (n + 2) ** 2 / (4 * (n + 1) ** 4 + 1)
        previous, d = d, 1 - e / d
        found.append((auxiliary(n) + np.sqrt(e / previous) * found[-1]) / np.sqrt(d))
    return np.array(found)


def energies(potential, atoms):
    """Energy of every atom in eV."""
    elements = potential["elements"]
    index = [elements.index(symbol) for symbol in atoms.get_chemical_symbols()]
    result = np.array([potential["E0"][z] for z in index])
    for i, z in enumerate(index):
        base, radial, angular = {}, {}, {}
        for neighbour in range(len(elements)):
            bond = potential["bonds"][z, neighbour]
            assert bond["radbasename"] == "SBessel"
            first, second, vectors = neighbor_list("ijD", atoms, bond["rcut"])
            mine = (first == i) & (np.array(index)[second] == neighbour)
            r = np.linalg.norm(vectors[mine], axis=1)
            polar, azimuth = np.arccos(vectors[mine, 2] / r), np.arctan2(vectors[mine, 1], vectors[mine, 0])
            base[neighbour] = bessel(r, bond["nradbasemax"], bond["rcut"])
            radial[neighbour] = np.einsum("nlk,kp->nlp", np.array(bond["radcoefficients"]), base[neighbour])
            angular[neighbour] = {
                (j, m): sph_harm_y(j, m, polar, azimuth) * np.sqrt(4 * np.pi)
                for j in range(bond["lmax"] + 1)
                for m in range(-j, j + 1)
            }
        density = 0.0
        for function in potential["functions"][z]:
            assert function["mu0"] == z
            rank = function["rank"]
            if rank == 1:
                density += function["ctildes"][0] * base[function["mus"][0]][function["ns"][0] - 1].sum()
                continue
            projections = np.array(function["ms_combs"]).reshape(function["num_ms_combs"], rank)
            for ms, value in zip(projections, function["ctildes"], strict=True):
                product = 1.0
                for mu, n, j, m in zip(function["mus"], function["ns"], function["ls"], ms, strict=True):
                    product *= radial[mu][n - 1, j] @ angular[mu][j, int(m)]
                density += value * product.real
        exponent = potential["embeddings"][z]
        assert exponent["FS_parameters"] == [1, 1]
        assert exponent["npoti"] == "FinnisSinclair"
        result[i] += density
    return result
