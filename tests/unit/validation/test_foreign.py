"""`pesforge check`: calculators of ASE by their names, planted defects among them, and wrong input."""

import ase.io
import pytest
from ase.build import bulk

from pesforge.cli import main


@pytest.fixture
def copper(tmp_path):
    ase.io.write(tmp_path / "cu.extxyz", bulk("Cu", "fcc", a=3.6, cubic=True))
    return str(tmp_path / "cu.extxyz")


LOOSE = ["--tolerance", "symmetry_ev=1e-6", "--tolerance", "symmetry_force_ev_per_ang=1e-5"]


def test_a_calculator_of_ase_passes(copper, capsys):
    assert main(["check", "ase.calculators.emt.EMT", copper, *LOOSE]) == 0
    text = capsys.readouterr().out
    assert text.count("pass") == len(text.splitlines()) >= 20


def test_a_planted_field_is_found(copper, capsys):
    assert main(["check", "tilted.Tilted", copper, "--argument", "field=0.01", *LOOSE]) == 1
    found = capsys.readouterr()
    assert "FAIL  rotation: energy" in found.out
    assert "checks failed" in found.err
    assert main(["check", "tilted.Tilted", copper, *LOOSE]) == 0, "without a field there is none"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["emt"], "no dotted name"),
        (["ase.calculators.emt.Emt"], "spelt right"),
        (["no_such_package.Thing"], "installed"),
        (["tilted.Tilted", "--argument", "fild=3"], "--argument"),
        (["ase.calculators.emt.EMT", "--argument", "fild"], "NAME=VALUE"),
        (["ase.Atoms"], "no calculator"),
        (["ase.calculators.emt.EMT", "--tolerance", "symmetry=1"], "symmetry_ev"),
    ],
)
def test_wrong_input_is_told(arguments, words, copper, capsys):
    assert main(["check", arguments[0], copper, *arguments[1:]]) == 1
    assert words in capsys.readouterr().err


def test_a_file_without_a_structure_and_a_foreign_failure_are_told(copper, tmp_path, capsys):
    (tmp_path / "text.xyz").write_text("nothing")
    assert main(["check", "ase.calculators.emt.EMT", str(tmp_path / "text.xyz")]) == 1
    assert "cannot read" in capsys.readouterr().err
    ase.io.write(tmp_path / "si.extxyz", bulk("Si"))
    assert main(["check", "ase.calculators.emt.EMT", str(tmp_path / "si.extxyz")]) == 1
    assert "failed on Si2" in capsys.readouterr().err
