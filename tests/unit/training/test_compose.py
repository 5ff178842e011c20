"""Composition of the training configuration: plain, checked, and with a run id per point of the sweep."""

import json
from pathlib import Path

import pytest

from pesforge.errors import SettingsError
from pesforge.settings import Sweep, Train
from pesforge.training.compose import compose, points

CONFIG = Path(__file__).parents[3] / "config" / "train"


def builtins_only(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and builtins_only(item) for key, item in value.items())
    return type(value) in (int, float, str, bool)


def sorted_keys(value: object) -> bool:
    return not isinstance(value, dict) or (list(value) == sorted(value) and all(map(sorted_keys, value.values())))


def test_composed_configuration_is_plain_and_sorted() -> None:
    config = compose(CONFIG, ["model.width=16", "optimizer=adamw", "optimizer.learning_rate=1e-3"])
    assert builtins_only(config)
    assert sorted_keys(config)
    assert config["model"]["width"] == 16
    assert config["optimizer"]["name"] == "adamw"
    assert config["optimizer"]["learning_rate"] == 0.001


def test_caller_cannot_change_the_cached_configuration() -> None:
    compose(CONFIG, [])["model"]["width"] = -1
    assert compose(CONFIG, [])["model"]["width"] > 0


@pytest.mark.parametrize("section", ["model", "loss", "optimizer", "trainer"])
def test_every_choice_composes(section: str) -> None:
    for path in (CONFIG / section).glob("*.yaml"):
        assert compose(CONFIG, [f"{section}={path.stem}"])


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("model.widht=16", "'width'"),
        ("modle.width=16", "'model'"),
        ("model=mlpp", "'mlp'"),
        ("+model.more=1", "write `section.key=value`"),
        ("~model.width", "write `section.key=value`"),
        ("model.width", "write `section.key=value`"),
        ("model.width=many", "model.width"),
        ("model.width=0", "model.width"),
        ("model.width=[1", "model.width"),
        ("loss.kernel=box", "'gaussian' or 'bump'"),
    ],
)
def test_wrong_override_is_named_in_one_message(override: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        compose(CONFIG, ["trainer.patience=3", override])
    assert override in str(caught.value)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_points_are_the_product_of_the_weights() -> None:
    sweep = Sweep(w_energy=(1, 10), w_force=(2,), w_stress=(0, 5), lambda_m=(0, 1e-5))
    runs = points(CONFIG, Train(sweep=sweep, overrides=("model.width=8",)))
    found = {
        tuple(config["loss"][name] for name in ("w_energy", "w_force", "w_stress", "lambda_m"))
        for config in runs.values()
    }
    assert found == {(e, 2.0, s, m) for e in (1.0, 10.0) for s in (0.0, 5.0) for m in (0.0, 1e-5)}
    assert all(config["model"]["width"] == 8 for config in runs.values())
    assert all(len(run) == 8 and int(run, 16) >= 0 for run in runs)


def test_a_point_is_what_its_overrides_compose() -> None:
    sweep = Sweep(w_energy=(3,), w_force=(2,), w_stress=(7,), lambda_m=(1e-5,))
    (config,) = points(CONFIG, Train(sweep=sweep, overrides=("optimizer=adamw",))).values()
    overrides = ["loss.w_energy=3", "loss.w_force=2", "loss.w_stress=7", "loss.lambda_m=1e-5"]
    assert json.dumps(config) == json.dumps(compose(CONFIG, ["optimizer=adamw", *overrides]))


def test_run_id_depends_on_the_weights_alone() -> None:
    def run(w_energy: float, w_force: float, *overrides: str) -> set[str]:
        sweep = Sweep(w_energy=(w_energy,), w_force=(w_force,), w_stress=(5,), lambda_m=(0,))
        return set(points(CONFIG, Train(sweep=sweep, overrides=overrides)))

    assert run(1, 10) != run(10, 1)
    assert run(1, 10) == run(1.0, 10.0, "model.width=8")


def test_repeated_point_is_refused() -> None:
    with pytest.raises(SettingsError, match="twice"):
        points(CONFIG, Train(sweep=Sweep(w_energy=(40, 40.0))))


def test_swept_weight_is_no_override() -> None:
    with pytest.raises(SettingsError, match="is swept"):
        points(CONFIG, Train(overrides=("loss.w_energy=3",)))


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no `train\.yaml`"):
        compose(tmp_path, [])
