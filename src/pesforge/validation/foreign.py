"""Symmetry and derivatives of somebody else's calculator: any of ASE, by its dotted name."""

from ast import literal_eval
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.errors import DataError
from pesforge.settings import Tolerances
from pesforge.validation.check import Check
from pesforge.validation.derivatives import derivative_checks
from pesforge.validation.symmetry import symmetry_checks

Pairs = Sequence[str]


def named_calculator(name: str, arguments: Mapping[str, Any]) -> Calculator:
    """The calculator of a dotted name such as `ase.calculators.emt.EMT`; importing it runs its code.

    Args:
        name: of a class or function that gives a calculator, or of a calculator itself.
        arguments: given to the class or function.

    Raises:
        DataError: there is no such thing, it cannot be made, or it is no calculator.
    """
    module, _, attribute = name.rpartition(".")
    if not module:
        raise DataError(f"{name!r} is no folder of a potential and no dotted name such as `ase.calculators.emt.EMT`.")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise DataError(f"{name}: {error}. Is the package installed, and is the name spelt right?") from error
    if isinstance(found, Calculator):
        return found
    try:
        made = found(**arguments)
    except Exception as error:  # whatever a foreign constructor raises
        raise DataError(f"{name} cannot be made ({type(error).__name__}: {error}); see `--argument`.") from error
    if not (hasattr(made, "get_potential_energy") and hasattr(made, "get_forces")):
        raise DataError(f"{name} gives a {type(made).__name__}, which is no calculator of ASE.")
    return made


def settings_of(pairs: Pairs) -> dict[str, Any]:
    """Values of `NAME=VALUE` words; a value that is no literal of Python is text.

    Raises:
        DataError: a word has no `=`.
    """
    found: dict[str, Any] = {}
    for word in pairs:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise DataError(f"{word!r} is not NAME=VALUE.")
        try:
            found[name] = literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def tolerances_of(pairs: Pairs) -> Tolerances:
    """The tolerances of a study with some changed by `NAME=VALUE` words.

    Raises:
        DataError: a tolerance is not known or not positive.
    """
    try:
        return Tolerances.model_validate(settings_of(pairs))
    except ValueError as error:
        known = ", ".join(name for name in Tolerances.model_fields if name.startswith(("symmetry", "derivative")))
        raise DataError(f"`--tolerance {' '.join(pairs)}`: allowed are positive numbers for {known}.") from error


def read_structure(file: Path) -> Atoms:
    """The last structure of a file that ASE reads.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found = ase.io.read(file, index=-1)
    except Exception as error:  # readers of ASE raise all kinds
        raise DataError(f"{file}: ASE cannot read a structure from it ({type(error).__name__}: {error}).") from error
    assert isinstance(found, Atoms)
    found.calc = None
    return found


def foreign_checks(calculator: Calculator, atoms: Atoms, tolerances: Tolerances, seed: int) -> list[Check]:
    """All checks of symmetry and derivatives of a calculator on a structure, which is rattled first.

    Raises:
        DataError: the calculator fails.
    """
    try:
        return [
            *symmetry_checks(atoms, calculator, tolerances=tolerances, seed=seed),
            *derivative_checks(atoms, calculator, tolerances=tolerances, seed=seed),
        ]
    except Exception as error:  # whatever a foreign calculator raises
        raise DataError(
            f"the calculator failed on {atoms.get_chemical_formula()} ({type(error).__name__}: {error})."
        ) from error


def checks_text(checks: Sequence[Check]) -> str:
    """A line per check: outcome, name, what was found and what is allowed."""
    lines = []
    for check in checks:
        outcome = {True: "pass", False: "FAIL", None: "  – "}[check.passed]
        if check.passed is None:
            lines.append(f"{outcome}  {check.name}: {check.meaning}")
        else:
            limit = f"{check.deviation:.2g} {check.deviation_unit}, allowed {check.tolerance:.2g}"
            lines.append(f"{outcome}  {check.name}: {limit} ({check.meaning})")
    return "\n".join(lines)
