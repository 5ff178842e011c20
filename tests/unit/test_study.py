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


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_is_right(path):
    loaded = load_study(path, TRAIN)
    sweep = loaded.settings.train.sweep
    size = len(sweep.w_energy) * len(sweep.w_force) * len(sweep.w_stress) * len(sweep.lambda_m)
    assert len(loaded.runs) == size
    assert len(loaded.parent["symbols"]) > 0


def test_the_default_study_sweeps_at_least_8_points_and_2_seeds():
    loaded = load_study(REPOSITORY / "config" / "config.yaml", TRAIN)
    assert len(loaded.runs) >= 8
    assert loaded.settings.train.sweep.seeds >= 2


def test_the_default_study_is_the_complete_commented_example():
    path = REPOSITORY / "config" / "config.yaml"
    study = Study.model_validate(yaml.safe_load(path.read_text()))
    assert path.read_text() == commented_yaml(study)
    bare = {key: study.model_dump(mode="json")[key] for key in ("name", "structure")}
    assert study == Study.model_validate(bare), "a default stands twice with different values"


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
    ],
)
def test_each_kind_of_mistake_has_a_clear_text(tmp_path, text, expected):
    message = mistakes_of(tmp_path, text)
    assert expected in message
    assert "wrong.yaml" in message
    assert "Traceback" not in message


def test_a_missing_study_file_names_the_others(tmp_path):
    (tmp_path / "other.yaml").write_text(GOOD)
    with pytest.raises(SettingsError, match=r"other\.yaml"):
        load_study(tmp_path / "none.yaml", TRAIN)
