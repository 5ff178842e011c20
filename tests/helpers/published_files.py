"""Small sets in the form of the published JSON files, with labels of an analytic potential, and a server for them."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

AXES = {"x": 0, "y": 1, "z": 2}
ORDER = ("xx", "yy", "zz", "xy", "xz", "yz")


def crystals(symbol: str, count: int, seed: int) -> list[Atoms]:
    """Rattled and sheared cells of four atoms, without labels."""
    rng = np.random.default_rng(seed)
    cells = []
    for _ in range(count):
        atoms = bulk(symbol, "fcc", a=3.6, cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.uniform(-0.03, 0.03, (3, 3))), scale_atoms=True)
        atoms.positions += 0.08 * rng.normal(size=atoms.positions.shape)
        cells.append(atoms)
    return cells


def as_published(
    atoms: Atoms, calculator: Calculator, group: str = "AIMD-NVT", order: Sequence[str] = ORDER
) -> dict[str, Any]:
    """One structure as the published files hold it: stress in kbar, positive under compression, in a given order."""
    labelled = atoms.copy()
    labelled.calc = calculator
    stress = labelled.get_stress(voigt=False)
    return {
        "structure": {
            "@class": "Structure",
            "lattice": {"matrix": atoms.cell.array.tolist()},
            "sites": [
                {"species": [{"element": symbol, "occu": 1}], "xyz": list(xyz), "abc": list(abc), "label": symbol}
                for symbol, xyz, abc in zip(
                    atoms.get_chemical_symbols(), atoms.positions, atoms.get_scaled_positions(), strict=True
                )
            ],
        },
        "group": group,
        "outputs": {
            "energy": labelled.get_potential_energy(),
            "forces": labelled.get_forces().tolist(),
            "virial_stress": [-1602.1766208 * stress[AXES[a], AXES[b]] for a, b in order],
        },
        "num_atoms": len(atoms),
        "element": atoms.get_chemical_symbols()[0],
    }


def tiny_set(symbol: str, training: int = 24, test: int = 5) -> dict[str, bytes]:
    """Published files of one element by their path, labelled by effective-medium theory."""
    groups = ("AIMD-NVT", "Elastic")
    return {
        f"/{symbol}/{split}.json": json.dumps(
            [as_published(atoms, EMT(), groups[i % 2]) for i, atoms in enumerate(crystals(symbol, count, seed))]
        ).encode()
        for split, count, seed in (("training", training, 1), ("test", test, 2))
    }


class Server(ThreadingHTTPServer):
    """Serves `files` by path; `cut` are paths whose answer breaks off, `silent` ones that are never answered."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.cut: set[str] = set()
        self.silent: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        if self.path in self.server.silent:
            self.server.over.wait(20)
            return
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path in self.server.cut else content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """A server on a free port of this machine for the length of the block."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
