"""The crystals whose formation energies are compared: the parent, those of the family `phase`, and further ones."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from pesforge.errors import PesforgeError
from pesforge.settings import Study
from pesforge.settings_types import Structure
from pesforge.structure import build_parent, to_plain
from pesforge.validation.hull import missing_references

Complaint = tuple[tuple[str | int, ...], str]


def hull_crystals(study: Study, parent: Atoms, folder: Path) -> tuple[list[dict[str, Any]], list[Complaint]]:
    """The crystals of the hull as builtin types, and what is wrong with them: parent, family `phase`, further ones.

    A crystal holds `name`, `formula`, `labelled` (whether labels of it are sampled) and `cell`. Crystals that are told
    twice are taken once; those of the family `phase` that cannot be built are complained about where it is prepared.

    Args:
        study: settings; without `validate.hull` there are no crystals.
        parent: parent crystal.
        folder: folder that files are relative to.
    """
    hull = study.validate_.hull
    complaints: list[Complaint] = []
    if hull is None:
        return [], []
    sampled = study.sample.phase.crystals if study.sample.phase else ()
    found = [_crystal(study.structure, parent, labelled=True)]
    wanted = [(("sample", "phase"), number, item) for number, item in enumerate(sampled)]
    wanted += [(("validate", "hull"), number, item) for number, item in enumerate(hull.crystals)]
    for section, number, settings in wanted:
        place, labelled = (*section, "crystals", number), section[0] == "sample"
        others = sorted(set(settings.species) - set(study.structure.species))
        if others and not labelled:
            known = ", ".join(study.structure.species)
            complaints.append(((*place, "species"), f"{', '.join(others)} is not in `structure.species` ({known})."))
        try:
            atoms = build_parent(settings, folder, key=f"{'.'.join(section)}.crystals[{number}]")
        except PesforgeError as error:
            complaints += [] if labelled else [(place, str(error))]
            continue
        crystal = _crystal(settings, atoms, labelled=labelled)
        if crystal["cell"] not in [item["cell"] for item in found]:
            found.append(crystal)
    missing = missing_references([Counter(item["cell"]["symbols"]) for item in found])
    if missing:
        complaints.append(
            (
                ("validate", "hull"),
                f"no chemical potential for {', '.join(missing)}: add a crystal of that element alone to "
                "`validate.hull.crystals` or to `sample.phase.crystals`.",
            )
        )
    return _named_apart(found), complaints


def _crystal(settings: Structure, atoms: Atoms, *, labelled: bool) -> dict[str, Any]:
    formula = str(atoms.symbols.formula.reduce()[0])
    word = settings.prototype or (settings.file.stem if settings.file else "")
    return {"name": f"{formula} {word}", "formula": formula, "labelled": labelled, "cell": to_plain(atoms)}


def _named_apart(crystals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Crystals of one name are numbered from the second on."""
    seen: Counter[str] = Counter()
    named = []
    for crystal in crystals:
        seen[crystal["name"]] += 1
        number = seen[crystal["name"]]
        named.append(crystal | {"name": crystal["name"] + (f" {number}" if number > 1 else "")})
    return named
