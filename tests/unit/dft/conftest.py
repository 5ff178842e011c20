"""Reference methods whose program is Python and whose pseudopotentials are headers alone."""

import sys

import pytest
from pseudopotential_files import BASIS, GTH, POTCAR, psp8, upf

from pesforge.settings import Dft


@pytest.fixture
def espresso(tmp_path) -> Dft:
    upf(tmp_path / "Si.UPF")
    files = {"pseudopotentials": {"Si": "Si.UPF"}, "pseudopotential_folder": tmp_path}
    return Dft(engine="espresso", command=sys.executable, **files)


@pytest.fixture
def abinit(tmp_path) -> Dft:
    psp8(tmp_path / "Si.psp8")
    files = {"pseudopotentials": {"Si": "Si.psp8"}, "pseudopotential_folder": tmp_path}
    return Dft(engine="abinit", command=sys.executable, **files)


@pytest.fixture
def cp2k(tmp_path) -> Dft:
    (tmp_path / "PP").write_text(GTH.format(element="Si"))
    (tmp_path / "BS").write_text(BASIS.format(element="Si"))
    files = {"pseudopotentials": {"Si": "PP GTH-PBE-q4 BS SZV-GTH"}, "pseudopotential_folder": tmp_path}
    return Dft(engine="cp2k", command=sys.executable, **files)


@pytest.fixture
def vasp(tmp_path) -> Dft:
    for element in ("Si", "C"):
        (tmp_path / f"POTCAR_{element}").write_text(POTCAR.format(element=element))
    files = {"Si": "POTCAR_Si", "C": "POTCAR_C"}
    return Dft(engine="vasp", command=sys.executable, pseudopotentials=files, pseudopotential_folder=tmp_path)
