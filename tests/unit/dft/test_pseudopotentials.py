"""Pseudopotential files: what their headers say, and their place in the settings of a label."""

import pytest
from ase.build import bulk
from pseudopotential_files import POTCAR, SCAN, UPF_1, psp8, upf

from pesforge.dft.engines import ENGINE_MODULES
from pesforge.dft.espresso_engine import EspressoEngine
from pesforge.dft.pseudopotentials import (
    pseudopotential_digests,
    read_potcar,
    read_psp8,
    read_upf,
    reference_settings,
    settings_from_dict,
)
from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError
from pesforge.provenance import fingerprint
from pesforge.settings import Dft


@pytest.mark.parametrize(
    ("words", "name"),
    [("PBE", "PBE"), (" SLA  PW   PBX  PBC", "PBE"), ("SLA PZ NOGX NOGC", "LDA"), ("PBESOL", "PBEsol"), ("X", "X")],
)
def test_upf_headers_of_version_2(tmp_path, words, name):
    header = read_upf(upf(tmp_path / "a", element=" B", functional=words))
    assert (header.element, header.functional, header.valence, header.norm_conserving) == ("B", name, 4.0, False)
    assert read_upf(upf(tmp_path / "a", kind="NC")).norm_conserving


def test_upf_headers_of_version_1(tmp_path):
    (tmp_path / "a").write_text(UPF_1)
    header = read_upf(tmp_path / "a")
    assert (header.element, header.functional, header.valence, header.norm_conserving) == ("Si", "PBE", 4.0, True)


def test_psp8_headers(tmp_path):
    header = read_psp8(psp8(tmp_path / "a", "Al", 13, -1012))
    assert (header.element, header.functional, header.valence, header.norm_conserving) == ("Al", "LDA", 4.0, True)
    with pytest.raises(DataError, match="format 6"):
        read_psp8(psp8(tmp_path / "a", code=6))


@pytest.mark.parametrize(
    "text", ["", "nonsense\nhere\nagain", "<PP_HEADER>\n 0 Version\n", '<PP_HEADER element="Si"/>']
)
def test_files_that_are_no_pseudopotentials(tmp_path, text):
    (tmp_path / "a").write_text(text)
    for header_of in (read_upf, read_psp8, read_potcar):
        with pytest.raises(DataError, match="/a: "):
            header_of(tmp_path / "a")
        with pytest.raises(DataError, match="cannot be read"):
            header_of(tmp_path / "b")


def test_labels_of_other_pseudopotentials_have_other_settings(espresso, tmp_path):
    settings = reference_settings(espresso, **SCAN)
    assert settings_from_dict(settings.to_dict()) == settings
    (tmp_path / "Si.UPF").rename(tmp_path / "other.UPF")
    renamed = espresso.model_copy(update={"pseudopotentials": {"Si": "other.UPF"}})
    assert reference_settings(renamed, **SCAN).hash == settings.hash
    upf(tmp_path / "other.UPF", kind="NC")
    assert reference_settings(renamed, **SCAN).hash != settings.hash
    with pytest.raises(DataError, match="converge"):
        EspressoEngine(renamed).calculate(bulk("Si"), settings, (1, 1, 1), 1)


def test_settings_of_gpaw_are_what_they_were():
    settings = reference_settings(Dft(), **SCAN)
    assert type(settings) is ReferenceSettings
    assert settings.hash == "dft-a84d12a386874218"
    assert pseudopotential_digests(Dft()) == {}
    assert settings_from_dict(settings.to_dict()) == settings
    assert fingerprint(*ENGINE_MODULES["gpaw"], "dft/settings") == fingerprint("dft/gpaw_engine", "dft/settings")


def test_potcar_files_of_several_elements_are_refused(tmp_path):
    (tmp_path / "a").write_text(POTCAR.format(element="Si") * 2)
    with pytest.raises(DataError, match="no POTCAR of one element"):
        read_potcar(tmp_path / "a")
