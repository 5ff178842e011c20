"""Pseudopotential files: what their headers say, and their place in the settings of every label."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from pesforge.dft.failures import MISSING_SETUP
from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError, LabelError
from pesforge.settings import Dft

UPF_FUNCTIONALS = {
    "PBE": ("PBE", "SLA PW PBX PBC", "SLA PW PBE PBE", "SLA PW PBX PBC PBE", "SLA PW PBE PBE PBE"),
    "PBEsol": ("PBESOL", "SLA PW PSX PSC", "SLA PW PSX PSC PBESOL"),
    "LDA": ("PZ", "LDA", "SLA PZ NOGX NOGC", "SLA PZ NOGX NOGC PZ"),
    "BLYP": ("BLYP", "SLA LYP B88 BLYP", "SLA LYP B88 BLYP BLYP"),
}
"""Names of functionals in UPF headers: a short name, the four parts, or both. LDA is that of Perdew and Zunger."""
PSP8_FUNCTIONALS = {"PBE": (11, -101130), "PBEsol": (-116133,), "LDA": (7, -1012)}
"""ABINIT's numbers of functionals (`pspxc`), its own and those of libxc. LDA is that of Perdew and Wang."""
POTCAR_FUNCTIONALS = {"PBE": ("PE",), "LDA": ("CA",)}
"""VASP's names of functionals (`LEXCH`). LDA is that of Perdew and Zunger."""
GTH_FUNCTIONALS = {"PBE": ("PBE", "GGA"), "LDA": ("PADE", "LDA"), "BLYP": ("BLYP",)}
"""CP2K's names of functionals in those of its potentials, as in GTH-PBE-q4. GGA stands for PBE there."""
CP2K_WORDS = 4
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Pseudopotential:
    """What the header of a pseudopotential file says.

    Args:
        path: file.
        element: chemical symbol.
        functional: name in the settings, or the header's own words where the name is not known.
        valence: electrons.
        norm_conserving: whether it is, otherwise ultrasoft or PAW.
    """

    path: Path
    element: str
    functional: str
    valence: float
    norm_conserving: bool


@dataclass(frozen=True)
class PseudopotentialSettings(ReferenceSettings):
    """Reference settings of a code that reads pseudopotential files.

    Args:
        pseudopotentials: digest of the file of each element; names and places of the files do not count.
    """

    pseudopotentials: dict[str, str] = field(default_factory=dict)


def settings_from_dict(plain: dict[str, Any]) -> ReferenceSettings:
    """The settings that `to_dict` wrote, with pseudopotentials where there are some.

    Raises:
        DataError: keys are missing or unknown.
    """
    kind = PseudopotentialSettings if "pseudopotentials" in plain else ReferenceSettings
    return kind.from_dict(plain)


def reference_settings(
    dft: Dft, *, cutoff_ev: float, k_spacing_per_ang: float, scf_tolerance: float, smearing_ev: float
) -> ReferenceSettings:
    """The settings of a method at some numerical parameters; digests of the pseudopotential files are among them.

    Args:
        dft: reference method.
        cutoff_ev: plane-wave cutoff in eV.
        k_spacing_per_ang: largest distance of k-points in 1/Å, 2π included.
        scf_tolerance: change of energy (eV per electron) and density at which SCF stops.
        smearing_ev: Fermi-Dirac width in eV.

    Raises:
        DataError: a pseudopotential file cannot be read.
    """
    plain: dict[str, Any] = {
        "engine": dft.engine,
        "functional": dft.functional,
        "spin_polarized": dft.spin_polarized,
        "initial_moment": float(dft.initial_moment),
        "cutoff_ev": float(cutoff_ev),
        "k_spacing_per_ang": float(k_spacing_per_ang),
        "scf_tolerance": float(scf_tolerance),
        "smearing_ev": float(smearing_ev),
    }
    files = pseudopotential_digests(dft)
    return settings_from_dict(plain | ({"pseudopotentials": files} if files else {}))


def pseudopotential_digests(dft: Dft) -> dict[str, str]:
    """Digest of the pseudopotential file of each element; empty for an engine without such files.

    Raises:
        DataError: a file cannot be read.
    """
    return {element: pseudopotential_digest(dft, element) for element in sorted(dft.pseudopotentials)}


def pseudopotential_path(dft: Dft, element: str) -> Path:
    """File of an element that the settings name; with CP2K the last part is words, see `cp2k_entries`."""
    words = f"{element} {dft.pseudopotentials[element]}" if dft.engine == "cp2k" else dft.pseudopotentials[element]
    return (dft.pseudopotential_folder or Path()) / words


def pseudopotential_digest(dft: Dft, element: str) -> str:
    """First hexadecimal digits of the SHA-256 of the file of an element, with CP2K of its two entries.

    Raises:
        DataError: the file or an entry cannot be read.
    """
    path = pseudopotential_path(dft, element)
    if dft.engine == "cp2k":
        content = "".join(f"{name}\n{entry}\n" for name, entry in cp2k_entries(path).items()).encode()
    else:
        content = _bytes(path)
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def cp2k_entries(path: Path) -> dict[str, str]:
    """The texts of a potential and of a basis set (`POTENTIAL`, `BASIS`) from CP2K's files of many entries.

    Args:
        path: folder, then as one part the element, file and name of the potential, file and name of the basis set.

    Raises:
        DataError: these are not five words, a file cannot be read, or has no such entry.
    """
    element, *words = path.name.split()
    if len(words) != CP2K_WORDS:
        raise DataError(
            f"`pseudopotentials.{element}`: found {' '.join(words)!r}; CP2K needs four words, file and name of the "
            "potential and of the basis set, as GTH_POTENTIALS GTH-PBE-q4 BASIS_MOLOPT DZVP-MOLOPT-SR-GTH."
        )
    places = {"POTENTIAL": words[:2], "BASIS": words[2:]}
    return {kind: _entry(path.parent / file, element, name) for kind, (file, name) in places.items()}


def _entry(path: Path, element: str, name: str) -> str:
    """An entry of a CP2K file: from the line of its element and names to the next one's, without comments."""
    lines = [line.split("#")[0].rstrip() for line in _text(path).splitlines()]
    found: list[str] = []
    names: set[str] = set()
    for line in filter(str.strip, lines):
        words = line.split()
        if words[0] in chemical_symbols:
            if found:
                break
            if words[0] == element:
                names.update(words[1:])
                found = [line] if name in words[1:] else []
        elif found:
            found.append(line)
    if not found:
        there = f" Its names for {element}: {', '.join(sorted(names))}." if names else ""
        raise DataError(f"{path}: has no entry {element} {name}.{there}")
    return "\n".join(found)


def read_upf(path: Path) -> Pseudopotential:
    """The header of a UPF file of version 1 or 2.

    Raises:
        DataError: the file cannot be read, or has no such header.
    """
    text = _text(path)
    start = re.search(r"<PP_HEADER\b([^>]*?)/?>", text)
    if start is None:
        raise DataError(f"{path}: is no UPF file; the tag PP_HEADER is missing.")
    named = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', start.group(1)))
    try:
        if not named:
            lines = text[start.end() :].strip().splitlines()
            words = [line.split() for line in lines[:6]]
            named = {"element": words[1][0], "pseudo_type": words[2][0], "z_valence": words[5][0]}
            named["functional"] = lines[4].split("Exchange-Correlation")[0]
        return Pseudopotential(
            path=path,
            element=named["element"].strip(),
            functional=_known(" ".join(named["functional"].upper().split()), UPF_FUNCTIONALS),
            valence=float(named["z_valence"]),
            norm_conserving=named["pseudo_type"].strip() in ("NC", "SL"),
        )
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(f"{path}: the PP_HEADER of the UPF file is not readable ({error!r}).") from error


def read_psp8(path: Path) -> Pseudopotential:
    """The header of a psp8 file, ABINIT's format of norm-conserving pseudopotentials.

    Raises:
        DataError: the file cannot be read, or is of another format.
    """
    words = [line.split() for line in _text(path).splitlines()[:3]]
    try:
        nucleus, valence = float(words[1][0]), float(words[1][1])
        code, functional = int(words[2][0]), int(words[2][1])
        element = chemical_symbols[round(nucleus)]
    except (IndexError, ValueError) as error:
        raise DataError(f"{path}: is no psp8 file; its lines 2 and 3 must begin with numbers.") from error
    if code != 8:
        raise DataError(f"{path}: has ABINIT's format {code}; allowed: 8 (psp8).")
    return Pseudopotential(path, element, _known(functional, PSP8_FUNCTIONALS), valence, norm_conserving=True)


def read_potcar(path: Path) -> Pseudopotential:
    """The header of a POTCAR file of one element, VASP's format of PAW data.

    Raises:
        DataError: the file cannot be read, or is of another format.
    """
    text = _text(path)
    found = {key: re.findall(rf"{key}\s*=\s*([\w.]+)", text) for key in ("VRHFIN", "LEXCH", "ZVAL")}
    if any(len(values) != 1 for values in found.values()):
        raise DataError(f"{path}: is no POTCAR of one element; VRHFIN, LEXCH and ZVAL must each stand there once.")
    element, functional, valence = (values[0] for values in found.values())
    return Pseudopotential(path, element, _known(functional, POTCAR_FUNCTIONALS), float(valence), norm_conserving=False)


def read_gth(path: Path) -> Pseudopotential:
    """What CP2K's entries of an element say: the functional by the potential's name, the electrons by its second line.

    Args:
        path: see `cp2k_entries`.

    Raises:
        DataError: an entry is not there or not readable, or the basis set was made for another number of electrons.
    """
    lines = cp2k_entries(path)["POTENTIAL"].splitlines()
    element, _, name, _, basis = path.name.split()
    try:
        valence = sum(map(int, lines[1].split()))
    except (IndexError, ValueError) as error:
        raise DataError(
            f"{path}: the potential is not readable; its second line must be numbers of electrons."
        ) from error
    made_for = re.search(r"-q(\d+)$", basis)
    if made_for is not None and int(made_for.group(1)) != valence:
        raise DataError(f"{path}: the basis set is for {made_for.group(1)} electrons, the potential has {valence}.")
    words = name.split("-")[1:]
    functional = next((known for known, names in GTH_FUNCTIONALS.items() if set(names) & set(words)), name)
    return Pseudopotential(path, element, functional, float(valence), norm_conserving=True)


def pseudopotential_problems(
    dft: Dft, elements: Sequence[str], read: Callable[[Path], Pseudopotential], *, source: str
) -> list[str]:
    """Sentences about missing files, and about files of another element or functional.

    Args:
        dft: reference method.
        elements: elements of the study.
        read: reads the header of a file.
        source: where files can be had.
    """
    folder = dft.pseudopotential_folder
    if folder is None or not folder.is_dir():
        found = "is not given" if folder is None else f"{folder} is not there"
        return [f"`pseudopotential_folder` {found}. {source}"]
    missing = [element for element in elements if element not in dft.pseudopotentials]
    if missing:
        names = sorted(path.name for element in missing for path in folder.glob(f"{element}[!a-z]*"))
        there = f" In {folder}: {', '.join(names)}." if names else ""
        return [f"`pseudopotentials` names no file for {', '.join(missing)}.{there} {source}"]
    problems = []
    for element in elements:
        path = pseudopotential_path(dft, element)
        try:
            header = read(path)
        except DataError as error:
            problems.append(str(error))
            continue
        if header.element != element:
            problems.append(f"{path} belongs to {header.element}, not to {element}.")
        if header.functional != dft.functional:
            problems.append(
                f"{path} was made for the functional {header.functional!r}, but `functional` is {dft.functional!r}. "
                "Take another file or another functional."
            )
    return problems


def pseudopotentials_of(
    dft: Dft, settings: ReferenceSettings, elements: Sequence[str], read: Callable[[Path], Pseudopotential]
) -> dict[str, Pseudopotential]:
    """The pseudopotential of each element of a structure.

    Raises:
        LabelError: of kind `missing_setup`: there is no file for an element.
        DataError: a file is not the one that the reference settings name.
    """
    wanted = settings.pseudopotentials if isinstance(settings, PseudopotentialSettings) else {}
    found = {}
    for element in sorted(set(elements)):
        if element not in wanted or element not in dft.pseudopotentials:
            raise LabelError(MISSING_SETUP, f"`dft.pseudopotentials` names no file for {element}.")
        path = pseudopotential_path(dft, element)
        try:
            digest = pseudopotential_digest(dft, element)
        except DataError as error:
            raise LabelError(MISSING_SETUP, str(error)) from error
        if digest != wanted[element]:
            raise DataError(
                f"{path}: is not the pseudopotential of {element} with which the study converged; labels of both would "
                "be mixed. Put the old file back, or run the stage `converge` again."
            )
        found[element] = read(path)
    return found


def _known(name: str | int, table: dict[str, Any]) -> str:
    """The settings' name of a functional, or the given one where it is not in the table."""
    return next((known for known, names in table.items() if name in names), str(name))


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8", errors="replace")


def _bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: the pseudopotential is not a file.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the pseudopotential cannot be read ({error.strerror}).") from error
