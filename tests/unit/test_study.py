import sys
from pathlib import Path

import pytest
import yaml

from pesforge.errors import SettingsError
from pesforge.settings import Study
from pesforge.settings_reference import commented_yaml, settings_markdown
from pesforge.study import load_study

REPOSITORY = Path(__file__).parents[2]
TRAIN = REPOSITORY / "config" / "train"
GOOD = """\
name: good
structure:
  prototype: diamond
  species: [Si]
  lattice_constant_ang: 5.47
"""


def mistakes_of(tmp_path, text):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_study(path, TRAIN)
    return str(caught.value)


SHIPPED = sorted((REPOSITORY / "config").glob("*.yaml"))
CRYSTALS = [path for path in SHIPPED if "published" not in yaml.safe_load(path.read_text())]


@pytest.mark.parametrize("path", CRYSTALS, ids=lambda path: path.stem)
def test_every_shipped_study_of_a_crystal_is_right(path):
    loaded = load_study(path, TRAIN)
    sweep = loaded.settings.train.sweep
    size = len(sweep.w_energy) * len(sweep.w_force) * len(sweep.w_stress) * len(sweep.lambda_m)
    assert len(loaded.runs) == size
    assert len(loaded.parent["symbols"]) > 0


def test_the_shipped_study_of_a_published_table_is_right():
    (path,) = set(SHIPPED) - set(CRYSTALS)
    loaded = load_study(path, TRAIN)
    assert loaded.files is None
    assert loaded.settings.model == "ace"
    assert loaded.settings.functions is None, "the rule of `pesforge fit` without options"
    assert yaml.safe_load(commented_yaml(loaded.settings)) == loaded.settings.model_dump(mode="json", by_alias=True)


def test_the_default_study_sweeps_at_least_8_points_and_2_seeds():
    loaded = load_study(REPOSITORY / "config" / "config.yaml", TRAIN)
    assert len(loaded.runs) >= 8
    assert loaded.settings.train.sweep.seeds >= 2


def test_the_default_study_is_the_complete_commented_example():
    path = REPOSITORY / "config" / "config.yaml"
    study = Study.model_validate(yaml.safe_load(path.read_text()))
    assert path.read_text() == commented_yaml(study)
    stated = {key: study.model_dump(mode="json")[key] for key in ("name", "structure")} | {
        "sample": {"wide": {}},
        "validate": {"phonon_width_ang": study.sample.wide.width_ang},
    }
    assert study == Study.model_validate(stated), "a default stands twice with different values"


def test_the_table_of_settings_is_in_step_with_the_types():
    assert (REPOSITORY / "config" / "README.md").read_text() == settings_markdown().rstrip("\n") + "\n"


def test_all_mistakes_are_reported_at_once_with_their_lines(tmp_path):
    text = mistakes_of(
        tmp_path,
        """\
name: wrong
sed: 3
structure:
  prototype: diamnd
  species: [Xx]
  lattice_constant_ang: -5
dft:
  functional: PBEsol
sample:
  thermal:
    temperatures_k: [300, -20]
train:
  sweep:
    w_energy: []
    seeds: 0
""",
    )
    for line in (
        "line 2: sed: unknown key. Did you mean 'seed'?",
        "line 4: structure.prototype: found 'diamnd'; allowed: sc, fcc",
        "Did you mean 'diamond'",
        "line 5: structure.species[0]: 'Xx' is not the symbol of a chemical element",
        "line 6: structure.lattice_constant_ang: found -5; it should be greater than 0",
        "line 11: sample.thermal.temperatures_k[1]: found -20",
        "line 14: train.sweep.w_energy: found []",
        "line 15: train.sweep.seeds: found 0",
    ):
        assert line in text
    assert "PBEsol" in text
    assert "8 mistakes" in text


def test_an_unknown_functional_is_found_beside_other_mistakes(tmp_path):
    text = mistakes_of(tmp_path, GOOD + "dft: {functional: PBEsol}\nseed: -1\n")
    assert "PBEsol" in text
    assert "libxc" in text
    assert "seed: found -1" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [unclosed\n", "line 2"),
        ("name: a\nname: b\n", "line 2: not valid YAML: the key 'name' stands twice"),
        ("a: &x [1, 2]\nb: [*x, *x]\n", "anchors and aliases"),
        ("- 1\n", "a study file is a mapping"),
        ("", "a study file is a mapping"),
        ("name: !!python/object/apply:os.system ['true']\n", "line 1"),
        (GOOD.replace("good", "../../etc"), "name: found '../../etc'"),
        (GOOD.replace("good", "a;rm -rf b"), "name: found"),
        (GOOD.replace("  lattice_constant_ang: 5.47\n", ""), "a prototype needs `lattice_constant_ang`"),
        (
            GOOD.replace("prototype: diamond", "file: missing.cif").replace("  lattice_constant_ang: 5.47\n", ""),
            "missing.cif",
        ),
        (GOOD + "train: {overrides: ['model.widht=3']}\n", "model.widht"),
        (GOOD + "train: {sweep: {seeds: 9}}\n", "`sweep.seeds` must not exceed `folds`"),
        (GOOD + "sample: {thermal: null, strain: null, volume: null}\n", "at least one family"),
        (GOOD + "converge: {cutoff_ev: [300, 200, 100]}\n", "`cutoff_ev` must rise"),
        (GOOD + "learn: {rule: i_optimol}\n", "learn.rule: found 'i_optimol'"),
        (GOOD + "learn: {per_round: 64}\n", "`learn.per_round`: 64 of the 63 structures"),
        (
            GOOD + "learn: {test: 9, pool: {count: 1, strains: [0.0]}}\n",
            "`learn.per_round`: 6 of the 3 structures that its runs of `learn.pool` give at most and `learn.test`: 9",
        ),
        (GOOD + "learn: {cost: seconds}\n", "`learn.cost: seconds` weighs nothing"),
        (GOOD + "learn: {degree_reduction: 12}\n", "learn.degree_reduction: 12 leaves no function"),
        (GOOD + "learn: {stop: {force_rmse_ev_per_ang: 0}}\n", "learn.stop.force_rmse_ev_per_ang: found 0"),
        (GOOD.replace("[Si]", "[Cu]").replace("diamond", "sc") + "learn: {}\n", "a single atom does not move"),
    ],
)
def test_each_kind_of_mistake_has_a_clear_text(tmp_path, text, expected):
    message = mistakes_of(tmp_path, text)
    assert expected in message
    assert "wrong.yaml" in message
    assert "Traceback" not in message


DFT = """
dft:
  engine: espresso
  command: {command}
  pseudopotential_folder: files
  pseudopotentials: {{Si: Si.UPF}}
"""
HEADER = '<PP_HEADER element="Si" pseudo_type="NC" functional="PBE" z_valence="4.0"/>'


def test_pseudopotentials_stand_beside_the_study_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(GOOD + DFT.format(command=sys.executable))
    with pytest.raises(SettingsError, match=r"`pseudopotential_folder` .*/files is not there"):
        load_study(path, TRAIN)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "Si.UPF").write_text(HEADER)
    dft = load_study(path, TRAIN).settings.dft
    assert dft.pseudopotential_folder == tmp_path / "files"
    assert dft.command == (sys.executable,)
    path.write_text(GOOD + DFT.format(command="[no-such-mpi, -n, '2', pw.x]"))
    with pytest.raises(SettingsError, match="dft: Quantum ESPRESSO: the program 'no-such-mpi' is not there"):
        load_study(path, TRAIN)


def test_a_missing_study_file_names_the_others(tmp_path):
    (tmp_path / "other.yaml").write_text(GOOD)
    with pytest.raises(SettingsError, match=r"other\.yaml"):
        load_study(tmp_path / "none.yaml", TRAIN)


PUBLISHED = "name: good\npublished:\n  set: mlearn\n  elements: [Si, Cu]\n"


def test_all_mistakes_of_a_published_table_are_reported_at_once_with_their_lines(tmp_path):
    text = mistakes_of(
        tmp_path,
        """\
name: wrong
published:
  set: mlearm
  elements: [Si, Au]
  folder: none
  sah256: {}
  targets:
    - {element: Cu, energy_mev_per_atom: -1, force_ev_per_ang: 0.1}
model: aec
functions: 0
structure: {prototype: fcc}
""",
    )
    for line in (
        "line 3: published.set: found 'mlearm'; allowed: mlearn. Did you mean 'mlearn'?",
        "line 4: published.elements[1]: found 'Au'; allowed: Cu, Ni, Li, Mo, Si, Ge.",
        "line 6: published.sah256: unknown key. Did you mean 'sha256'? Allowed: set, elements, folder, base_url",
        "line 8: published.targets[0].energy_mev_per_atom: found -1; it should be greater than 0.",
        "line 9: model: found 'aec'; allowed: ace, pair, eam, tersoff, ace-neural, ace-quadratic, mace. Did you mean",
        "line 10: functions: found 0; it should be greater than or equal to 1.",
        "line 11: structure: unknown key. Allowed: name, published, model, functions.",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("  folder: none\n", "line 5: published.folder: no labels of Si: "),
        ("  base_url: ftp://here\n", "line 5: published.base_url: found 'ftp://here'; an address such as https://"),
        ("  sha256: {Si_train: ab}\n", "line 5: published.sha256: 'Si_train' names no file of the set; allowed: Cu_tr"),
        ("  sha256: {Si_test: AB}\n", "published.sha256: Si_test: found 'AB'; a SHA-256 has 64 digits"),
        ("  folder: none\n  base_url: http://here\n", "published: `folder` and `base_url` exclude each other"),
        (
            "  targets: [{element: Mo, energy_mev_per_atom: 1, force_ev_per_ang: 1}]\n",
            "published: `targets` name Mo, which `elements` leave out",
        ),
        ("published2: 1\n", "published2: unknown key. Did you mean 'published'?"),
    ],
)
def test_each_mistake_of_a_published_table_has_a_clear_text(tmp_path, added, expected):
    assert expected in mistakes_of(tmp_path, PUBLISHED + added)


@pytest.mark.parametrize("section", ["published: null\n", "published: []\n", "published: {}\n"])
def test_an_empty_published_section_says_what_is_missing(tmp_path, section):
    text = mistakes_of(tmp_path, "name: empty\n" + section)
    assert "line 2: published" in text
    assert "Traceback" not in text


def test_an_element_that_stands_twice_is_a_mistake(tmp_path):
    text = mistakes_of(tmp_path, PUBLISHED.replace("[Si, Cu]", "[Si, Si]"))
    assert "an element stands twice in `elements`" in text


def test_families_that_decide_must_be_sampled(tmp_path):
    assert "surface not sampled by this study; allowed: thermal, strain, volume" in mistakes_of(
        tmp_path, GOOD + "choose: {families: [thermal, surface]}\n"
    )
    path = tmp_path / "right.yaml"
    path.write_text(GOOD + "choose: {families: [thermal, md]}\nsample: {md: {}}\n")
    assert load_study(path, TRAIN).settings.choose.families == ("thermal", "md")
    path.write_text(GOOD + "choose: {families: [learned]}\nlearn: {}\n")
    assert load_study(path, TRAIN).settings.choose.families == ("learned",)
