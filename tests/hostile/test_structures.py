"""Parent structures that are broken in every way: a study that names one is refused with a clear error."""

import pickle

import pytest
from hostile_desk import Trap, bounded

from pesforge.study import load_study

STUDY = """\
name: broken
structure:
  file: {name}
  species: [Si]
"""
CELL = "5 0 0\n0 5 0\n0 0 5\n"
POSCAR = f"silicon\n1.0\n{CELL}Si\n2\nDirect\n0 0 0\n0.5 0.5 0.5\n"
CIF = """\
data_silicon
_cell_length_a 5.4
_cell_length_b 5.4
_cell_length_c 5.4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Si1 Si 0 0 0
Si2 Si 0.25 0.25 0.25
"""
XYZ = '2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 pbc="T T T"\nSi 0 0 0\nSi 2 2 2\n'


def edited(text: str, old: str, new: str) -> str:
    """A sound file with one thing broken."""
    assert old in text
    return text.replace(old, new)


POSCARS = {
    "empty": "",
    "one line": "silicon\n",
    "truncated cell": POSCAR[:20],
    "truncated positions": POSCAR[: POSCAR.index("0.5 0.5")],
    "scale NaN": edited(POSCAR, "1.0\n", "nan\n"),
    "scale zero": edited(POSCAR, "1.0\n", "0\n"),
    "scale infinite": edited(POSCAR, "1.0\n", "inf\n"),
    "scale huge": edited(POSCAR, "1.0\n", "1e200\n"),
    "scale tiny": edited(POSCAR, "1.0\n", "1e-200\n"),
    "scale is text": edited(POSCAR, "1.0\n", "one\n"),
    "left-handed": edited(POSCAR, CELL, "0 5 0\n5 0 0\n0 0 5\n"),
    "no volume": edited(POSCAR, CELL, "5 0 0\n0 5 0\n5 5 0\n"),
    "cell NaN": edited(POSCAR, "5 0 0\n", "nan 0 0\n"),
    "cell of zeros": edited(POSCAR, CELL, "0 0 0\n0 0 0\n0 0 0\n"),
    "needle": edited(POSCAR, CELL, "1e9 0 0\n0 1e-3 0\n0 0 1e-3\n"),
    "thin": edited(POSCAR, CELL, "5 0 0\n0 5 0\n0 0 0.2\n"),
    "no atoms": edited(POSCAR, "\n2\n", "\n0\n"),
    "negative number": edited(POSCAR, "\n2\n", "\n-2\n"),
    "endless number": edited(POSCAR, "\n2\n", "\n1000000000000\n"),
    "number of 5000 digits": edited(POSCAR, "\n2\n", "\n" + "9" * 5000 + "\n"),
    "unknown element": edited(POSCAR, "Si\n", "Xx\n"),
    "other element": edited(POSCAR, "Si\n", "Ge\n"),
    "element with metacharacters": edited(POSCAR, "Si\n", "$(touch${IFS}canary)\n"),
    "position NaN": edited(POSCAR, "0.5 0.5 0.5", "nan 0.5 0.5"),
    "position infinite": edited(POSCAR, "0.5 0.5 0.5", "inf 0.5 0.5"),
    "position overflows": edited(POSCAR, "0.5 0.5 0.5", "1e308 0.5 0.5"),
    "atoms coincide": edited(POSCAR, "0.5 0.5 0.5", "0 0 0"),
    "two columns": edited(POSCAR, "0.5 0.5 0.5", "0.5 0.5"),
    "fewer symbols": edited(POSCAR, "\n2\n", "\n1 1\n"),
    "zeros": "\0" * 4096,
}
CIFS = {
    "empty": "",
    "no block": "silicon\n",
    "block only": "data_silicon\n",
    "truncated": CIF[:150],
    "no atoms": CIF[: CIF.index("loop_")],
    "no lengths": edited(CIF, "_cell_length_a 5.4\n", ""),
    "length NaN": edited(CIF, "length_a 5.4", "length_a nan"),
    "length negative": edited(CIF, "length_a 5.4", "length_a -5.4"),
    "length zero": edited(CIF, "length_a 5.4", "length_a 0"),
    "length huge": edited(CIF, "length_a 5.4", "length_a 1e300"),
    "length is text": edited(CIF, "length_a 5.4", "length_a five"),
    "length unknown": edited(CIF, "length_a 5.4", "length_a ?"),
    "angle zero": edited(CIF, "alpha 90", "alpha 0"),
    "angle 180": edited(CIF, "alpha 90", "alpha 180"),
    "angles impossible": edited(CIF, "alpha 90", "alpha 10"),
    "angle huge": edited(CIF, "alpha 90", "alpha 1e9"),
    "unknown element": CIF.replace(" Si ", " Xx "),
    "ghost": CIF.replace(" Si ", " . "),
    "half an atom": edited(CIF, "_atom_site_fract_z\n", "_atom_site_fract_z\n_atom_site_occupancy\n")
    .replace("0 0 0\n", "0 0 0 0.5\n")
    .replace("0.25 0.25 0.25\n", "0.25 0.25 0.25 1\n"),
    "position NaN": edited(CIF, "0.25 0.25 0.25", "nan 0.25 0.25"),
    "position is text": edited(CIF, "0.25 0.25 0.25", "here 0.25 0.25"),
    "position missing": edited(CIF, "0.25 0.25 0.25", "0.25 0.25"),
    "zeros": "\0" * 4096,
}
HARMLESS = {
    "space group unknown": edited(CIF, "'P 1'", "'P 99 banana'"),
    "symmetry is code": edited(CIF, "loop_", "loop_\n_symmetry_equiv_pos_as_xyz\n\"x,y,open('canary','w')\"\nloop_"),
    "symmetry of two": edited(CIF, "loop_", "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y'\nloop_"),
    "group transform is code": edited(
        CIF,
        "'P 1'",
        "\"x'a,b,[d for d in ().__class__.__mro__[1].__getattribute__ ( *[().__class__.__mro__[1]]+['__sub' + "
        "'classes__'])() if d.__name__ == 'BuiltinImporter'][0].load_module('os').system('touch canary');0,0,0\"",
    ),
}
"""CIF files that pymatgen reads without the broken part."""
XYZS = {
    "empty": "",
    "two structures": XYZ + XYZ,
    "not periodic": edited(XYZ, "T T T", "T T F"),
    "no cell": edited(XYZ, 'Lattice="5 0 0 0 5 0 0 0 5" ', ""),
    "left-handed": edited(XYZ, "5 0 0 0 5 0 0 0 5", "0 5 0 5 0 0 0 0 5"),
    "cell NaN": edited(XYZ, "5 0 0 0 5", "nan 0 0 0 5"),
    "cell huge": edited(XYZ, "5 0 0 0 5", "1e308 0 0 0 5"),
    "endless": edited(XYZ, "2\n", "99999999999\n"),
    "a million atoms": "1000000\n" + XYZ.split("\n")[1] + "\n" + "Si 0 0 0\n" * 1_000_000,
    "ghost": edited(XYZ, "Si 2", "X 2"),
    "no positions": edited(XYZ, ":pos:R:3", "").replace(" 0 0 0\nSi 2 2 2", "\nSi"),
}
CASES = {
    **{f"POSCAR {name}": ("POSCAR", text.encode()) for name, text in POSCARS.items()},
    **{f"CIF {name}": ("parent.cif", text.encode()) for name, text in CIFS.items()},
    **{f"XYZ {name}": ("parent.extxyz", text.encode()) for name, text in XYZS.items()},
    **{f"pickle as {name}": (name, pickle.dumps(Trap())) for name in ("parent.cif", "parent.vasp", "parent.xyz")},
    **{f"unknown {name}": (name, b"canary") for name in ("parent.pkl", "parent.traj", "parent.json", "parent.py", "a")},
}


@pytest.mark.parametrize("name", CASES)
def test_broken_structures_are_refused(desk, name):
    file, data = CASES[name]
    desk.put(f"studies/{file}", data)
    study = desk.put("studies/study.yaml", STUDY.format(name=file))
    text = desk.refuses("plan", study, says=file)
    assert "structure" in text


@pytest.mark.parametrize(
    "name",
    ["../../../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem", "$(touch canary)",
     "`touch canary`.cif", "a;touch canary;.cif", "file://etc/passwd", "http://127.0.0.1/a.cif", "parent.cif@0", "-",
     ".", "", "x" * 5000 + ".cif", "a\\0b.cif", "~/parent.cif"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(desk, name):
    study = desk.put("studies/study.yaml", STUDY.format(name=f'"{name}"'))
    desk.refuses("plan", study, says="structure")


@pytest.mark.parametrize("name", HARMLESS)
def test_code_in_a_cif_is_not_run(desk, name):
    desk.put("studies/parent.cif", HARMLESS[name])
    study = desk.put("studies/study.yaml", STUDY.format(name="parent.cif"))
    with bounded():
        load_study(study, desk.root / "config/train")
    assert not list(desk.root.rglob("canary"))
