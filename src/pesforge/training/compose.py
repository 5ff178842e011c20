"""Training configurations as plain dicts, composed by Hydra. The only module that imports Hydra."""

import difflib
import itertools
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from pesforge.errors import SettingsError
from pesforge.io import canonical_json
from pesforge.provenance import digest
from pesforge.settings import Train
from pesforge.training.config import TrainConfig

SWEPT = ("w_energy", "w_force", "w_stress", "lambda_m")
RUN_DIGITS = 8


def compose(config_dir: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """A composed and checked training configuration: builtin types only, keys sorted.

    Args:
        config_dir: folder with `train.yaml`.
        overrides: Hydra overrides such as `model.width=16` or `optimizer=adamw`. The later one of two wins.

    Raises:
        SettingsError: an override is misspelt or its value is not allowed; the message names it.
    """
    return dict(json.loads(_checked(config_dir.resolve(), tuple(overrides), ())))


def points(config_dir: Path, train: Train) -> dict[str, dict[str, Any]]:
    """Configuration of every point of the sweep by its run id, a digest of the loss weights alone.

    Args:
        config_dir: folder with `train.yaml`.
        train: settings of the sweep.

    Raises:
        SettingsError: an override is wrong or sets a swept weight, or a point occurs twice.
    """
    for override in train.overrides:
        if override.partition("=")[0].strip() in {f"loss.{name}" for name in SWEPT}:
            raise SettingsError(f"override {override!r}: this weight is swept; set it in `train.sweep`.")
    runs: dict[str, dict[str, Any]] = {}
    for values in itertools.product(*(getattr(train.sweep, name) for name in SWEPT)):
        weights = dict(zip(SWEPT, map(float, values), strict=True))
        run = digest(weights, RUN_DIGITS)
        if run in runs:
            listed = ", ".join(f"{name}={value}" for name, value in weights.items())
            raise SettingsError(f"`train.sweep` has the point {listed} twice; remove the repeated value.")
        runs[run] = json.loads(_checked(config_dir.resolve(), train.overrides, tuple(weights.items())))
    return runs


@cache
def _checked(config_dir: Path, overrides: tuple[str, ...], weights: tuple[tuple[str, float], ...]) -> str:
    """A checked configuration as canonical JSON, so that no caller can change the cached one.

    The weights are set after the composition, where Hydra sets the value of a key too: one composition (70 ms) serves
    all points of a sweep.
    """
    try:
        composed = _composed(config_dir, overrides).copy()
        for name, value in weights:
            OmegaConf.update(composed, f"loss.{name}", value)
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise SettingsError(_blame(config_dir, overrides, error)) from error
    try:
        checked = TrainConfig.model_validate(plain)
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(map(str, item['loc']))}: found {item['input']!r}; {item['msg'].removeprefix('Input ')}"
            for item in error.errors(include_url=False)
        ]
        source = f" with overrides {', '.join(overrides)}" if overrides else ""
        raise SettingsError(f"training configuration{source}: {'; '.join(mistakes)}.") from error
    return canonical_json(checked.model_dump())


@cache
def _composed(config_dir: Path, overrides: tuple[str, ...]) -> DictConfig:
    """What Hydra composes, interpolations not yet resolved."""
    if not (config_dir / "train.yaml").is_file():
        raise SettingsError(f"{config_dir}: no `train.yaml` there; it is the root of the training configuration.")
    for override in overrides:
        _check_name(override)
    with initialize_config_dir(config_dir=str(config_dir), version_base="1.3"):
        return hydra_compose("train", overrides=list(overrides))


def _check_name(override: str) -> None:
    """Raise unless the override is `section=choice` or `section.key=value` with known names."""
    match = re.fullmatch(r"\s*([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?\s*=\s*(\S.*)", override, flags=re.DOTALL)
    if not match:
        raise SettingsError(
            f"override {override!r}: write `section.key=value`, such as `model.width=16`, or `section=choice`."
        )
    section, key, _ = match.groups()
    sections = TrainConfig.model_fields
    if section not in sections:
        raise SettingsError(f"override {override!r}: unknown section {section!r}.{_hint(section, list(sections))}")
    annotation = sections[section].annotation
    keys = list(getattr(annotation, "model_fields", {}))
    if key is not None and key not in keys:
        raise SettingsError(f"override {override!r}: unknown key {key!r} of `{section}`.{_hint(key, keys)}")


def _hint(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    return f"{suggestion} Allowed: {', '.join(allowed)}."


def _blame(config_dir: Path, overrides: tuple[str, ...], error: Exception) -> str:
    """What is wrong in one sentence, naming the override that fails on its own where there is one."""
    for override in overrides:
        section, _, choice = (part.strip() for part in override.partition("="))
        available = sorted(path.stem for path in (config_dir / section).glob("*.yaml"))
        if "." not in section and choice not in available:
            return f"override {override!r}: no such choice {choice!r} of `{section}`.{_hint(choice, available)}"
    first = " ".join(str(error).split())
    return f"training configuration with overrides {', '.join(overrides) or 'none'}: {first}"
