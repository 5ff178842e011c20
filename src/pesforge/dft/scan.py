"""Tightening one numerical parameter until it is converged.

A value is converged when the next two refinements both stay within the targets: successive meshes of a metal may
agree by chance. A constant offset of the energy is no error, so energies enter as differences between cells. Cells that
hold one and the same crystal must beyond that agree in their energy per atom, at the value and at both refinements.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from pesforge.dft.label import Label
from pesforge.dft.shapes import shape_rows, spread
from pesforge.errors import ConvergenceError, DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import ConvergenceTargets

CONFIRMATIONS = 2
UNITS = {"scf_tolerance": "eV per electron", "cutoff_ev": "eV", "smearing_ev": "eV", "k_spacing_per_ang": "1/Å"}
Evaluate = Callable[[float, str], Label]


@dataclass(frozen=True)
class Residuals:
    """Largest changes between two values of a parameter.

    Args:
        energy_mev_per_atom: of an energy difference between two cells.
        force_ev_per_ang: of a force component.
        stress_gpa: of a stress component.
    """

    energy_mev_per_atom: float
    force_ev_per_ang: float
    stress_gpa: float

    def within(self, targets: ConvergenceTargets) -> bool:
        """Whether all three stay within the targets."""
        return (
            self.energy_mev_per_atom <= targets.energy_mev_per_atom
            and self.force_ev_per_ang <= targets.force_ev_per_ang
            and self.stress_gpa <= targets.stress_gpa
        )

    def worst(self, other: "Residuals") -> "Residuals":
        """The larger of each."""
        return Residuals(
            max(self.energy_mev_per_atom, other.energy_mev_per_atom),
            max(self.force_ev_per_ang, other.force_ev_per_ang),
            max(self.stress_gpa, other.stress_gpa),
        )


@dataclass(frozen=True)
class Scan:
    """One parameter, tightened until it is converged.

    Args:
        parameter: name in the settings.
        values: values that were evaluated, loosest first.
        chosen: loosest converged value.
        residuals: largest changes from the chosen value to the values beyond it: the error that is left.
        rows: one row per value with the largest changes to the next tighter value; None for the tightest.
        table: one row per value and cell; changes are those of that cell to the next tighter value.
        shapes: one row per value and cell of one perfect crystal, its energy per atom above that of the first cell;
            values that the other cells refused were not computed.
    """

    parameter: str
    values: tuple[float, ...]
    chosen: float
    residuals: Residuals
    rows: tuple[dict[str, Any], ...]
    table: tuple[dict[str, Any], ...]
    shapes: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The scan as builtin types."""
        return {
            "parameter": self.parameter,
            "unit": UNITS.get(self.parameter, ""),
            "values": list(self.values),
            "chosen": self.chosen,
            "residuals": asdict(self.residuals),
            "rows": [dict(row) for row in self.rows],
            "table": [dict(row) for row in self.table],
            "shapes": [dict(row) for row in self.shapes],
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Scan":
        """The scan that `to_dict` wrote.

        Raises:
            DataError: keys are missing.
        """
        try:
            return cls(
                parameter=str(plain["parameter"]),
                values=tuple(plain["values"]),
                chosen=float(plain["chosen"]),
                residuals=Residuals(**plain["residuals"]),
                rows=tuple(plain["rows"]),
                table=tuple(plain["table"]),
                shapes=tuple(plain["shapes"]),
            )
        except (KeyError, TypeError) as error:
            raise DataError(f"not a convergence scan ({error!r}); delete the file and run again.") from error


def change(before: Mapping[str, Label], after: Mapping[str, Label]) -> Residuals:
    """Largest changes from one value of a parameter to another.

    Args:
        before: label of every cell at the looser value.
        after: the same at the tighter value.
    """
    shift = {name: (after[name].energy - before[name].energy) / len(after[name].forces) for name in after}
    energies = [abs(shift[first] - shift[second]) for first, second in combinations(shift, 2)]
    return Residuals(
        energy_mev_per_atom=1e3 * max(energies, default=0.0),
        force_ev_per_ang=max(float(np.abs(after[name].forces - before[name].forces).max()) for name in after),
        stress_gpa=EV_PER_ANG3_IN_GPA
        * max(float(np.abs(after[name].stress - before[name].stress).max()) for name in after),
    )


def scan(
    parameter: str,
    values: Sequence[float],
    evaluate: Evaluate,
    *,
    cells: Sequence[str],
    targets: ConvergenceTargets,
    shapes: Sequence[str] = (),
) -> Scan:
    """The scan of one parameter; evaluates from the loosest value on and stops as soon as one value is converged.

    Value i is converged when the changes i → i+1, i+1 → i+2 and i → i+2 are all within the targets, and the energies
    per atom of the shapes are within the energy target of each other at all three. The shapes count among the cells as
    well; they are computed only where the cells alone are converged, which saves what a coarse mesh would cost.

    Args:
        parameter: name in the settings.
        values: grid, loosest first.
        evaluate: gives the label of a value and the name of a cell.
        cells: names of the cells; the first is the zero of energy differences in the table.
        targets: largest allowed changes.
        shapes: names of further cells that all hold one perfect crystal.

    Raises:
        ConvergenceError: no value of the grid is converged.
    """
    labels: list[dict[str, Label]] = []
    for value in values:
        labels.append({name: evaluate(value, name) for name in cells})
        start = len(labels) - 1 - CONFIRMATIONS
        if start < 0 or not _within(_changes(labels[start:], cells), targets):
            continue
        if not _shapes_agree(values, labels, start, evaluate, shapes, targets):
            continue
        residuals = _changes(labels[start:], [*cells, *shapes])
        if _within(residuals, targets):
            done = tuple(float(item) for item in values[: len(labels)])
            return Scan(
                parameter=parameter,
                values=done,
                chosen=float(done[start]),
                residuals=residuals[0].worst(residuals[2]),
                rows=tuple(_rows(done, labels, cells)),
                table=tuple(_table(parameter, done, labels, cells)),
                shapes=tuple(shape_rows(done, labels, shapes)),
            )
    raise _not_converged(parameter, values, labels, cells, shapes, targets)


def _changes(labels: Sequence[Mapping[str, Label]], cells: Sequence[str]) -> list[Residuals]:
    """Largest changes of some cells among three values: first to second, second to third, first to third."""
    first, second, third = ({name: found[name] for name in cells} for found in labels)
    return [change(first, second), change(second, third), change(first, third)]


def _within(residuals: Sequence[Residuals], targets: ConvergenceTargets) -> bool:
    return all(item.within(targets) for item in residuals)


def _shapes_agree(
    values: Sequence[float],
    labels: Sequence[dict[str, Label]],
    start: int,
    evaluate: Evaluate,
    shapes: Sequence[str],
    targets: ConvergenceTargets,
) -> bool:
    """Whether the shapes agree at a value and at its refinements; labels are added until the first disagreement."""
    for index in range(start, len(labels)):
        for name in shapes:
            if name not in labels[index]:
                labels[index][name] = evaluate(values[index], name)
            if not spread(labels[index], shapes) <= targets.energy_mev_per_atom:
                return False
    return True


def _not_converged(
    parameter: str,
    values: Sequence[float],
    labels: Sequence[dict[str, Label]],
    cells: Sequence[str],
    shapes: Sequence[str],
    targets: ConvergenceTargets,
) -> ConvergenceError:
    """The error of a grid that ends too early."""
    grid = ", ".join(f"{value:g}" for value in values)
    if len(labels) <= CONFIRMATIONS:
        return ConvergenceError(
            f"converge.{parameter}: {len(labels)} different values ({grid}) cannot confirm convergence twice; give at "
            "least 3."
        )
    known = [*cells, *(name for name in shapes if all(name in found for found in labels[-3:]))]
    last = _changes(labels[-3:], known)
    worst = last[0].worst(last[1]).worst(last[2])
    found = [
        ("energy differences", worst.energy_mev_per_atom, targets.energy_mev_per_atom, "meV/atom"),
        ("forces", worst.force_ev_per_ang, targets.force_ev_per_ang, "eV/Å"),
        ("stress", worst.stress_gpa, targets.stress_gpa, "GPa"),
    ]
    compared = [index for index, known in enumerate(labels) if {*shapes} & {*known}]
    if compared:
        name = f"the perfect crystal in cells of different shape, at {values[compared[-1]]:g},"
        found.append((name, spread(labels[compared[-1]], shapes), targets.energy_mev_per_atom, "meV/atom"))
    text = "; ".join(
        f"{name} {value:.3g} {unit} (target {target:g}{', missed' if value > target else ''})"
        for name, value, target, unit in found
    )
    return ConvergenceError(
        f"converge.{parameter} did not converge on the grid {grid} {UNITS.get(parameter, '')}. Largest changes among "
        f"the last three values: {text}. Add tighter values to `converge.{parameter}`, or loosen `converge.targets`."
    )


def _rows(values: Sequence[float], labels: Sequence[Mapping[str, Label]], cells: Sequence[str]) -> list[dict[str, Any]]:
    """One row per value: the largest changes of the cells to the next tighter value."""
    rows = []
    kept = [{name: found[name] for name in cells} for found in labels]
    for index, value in enumerate(values):
        step = change(kept[index], kept[index + 1]) if index + 1 < len(kept) else None
        rows.append(
            {
                "value": value,
                "energy_change_mev_per_atom": step.energy_mev_per_atom if step else None,
                "force_change_ev_per_ang": step.force_ev_per_ang if step else None,
                "stress_change_gpa": step.stress_gpa if step else None,
            }
        )
    return rows


def _table(
    parameter: str, values: Sequence[float], labels: Sequence[dict[str, Label]], cells: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per value and cell."""
    table = []
    for index, (value, found) in enumerate(zip(values, labels, strict=True)):
        after = labels[index + 1] if index + 1 < len(labels) else None
        for name in cells:
            step = change({name: found[name]}, {name: after[name]}) if after else None
            difference = (found[name].energy - found[cells[0]].energy) / len(found[name].forces)
            table.append(
                {
                    "parameter": parameter,
                    "value": value,
                    "cell": name,
                    "energy_difference_mev_per_atom": 1e3 * difference,
                    "force_change_ev_per_ang": step.force_ev_per_ang if step else None,
                    "stress_change_gpa": step.stress_gpa if step else None,
                }
            )
    return table
