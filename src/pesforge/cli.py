"""Command line: run a study, say what it will cost and where its results are; or fit a file of labels without one."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pesforge.errors import PesforgeError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from pesforge.dataset import LabelKeys
    from pesforge.study import LoadedStudy

CONFIG = Path("config")
MODELS = ("ace", "pair", "eam", "tersoff", "ace-neural", "ace-quadratic", "mace")
"""Functional forms of `pesforge.fitting.models.FITTERS`, named here so that the help text imports nothing."""


def _plan(arguments: argparse.Namespace) -> str:
    from pesforge.plan import plan_text
    from pesforge.study import load_study
    from pesforge.study_file import study_path

    return plan_text(load_study(study_path(arguments.study, CONFIG), CONFIG / "train"), Path("results"))


def _run(arguments: argparse.Namespace) -> str:
    from pesforge.launch import run
    from pesforge.study import load_study
    from pesforge.study_file import study_path

    path = study_path(arguments.study, CONFIG)
    study = load_study(path, CONFIG / "train").settings
    page = Path("results") / study.name / "report" / "index.html"
    before = page.stat().st_mtime_ns if page.is_file() else None
    status = run(str(path), ["--profile", f"profiles/{arguments.profile}"] if arguments.profile else [])
    if status:
        raise PesforgeError(f"study {study.name} did not finish; see above. `make run` goes on from here.")
    if before == page.stat().st_mtime_ns:
        sys.stdout.write(f"study {study.name}: everything is up to date, nothing was computed\n")
    return _where(arguments)


def _where(arguments: argparse.Namespace) -> str:
    from pesforge.study_file import read_yaml, study_path

    content = read_yaml(study_path(arguments.study, CONFIG))[0]
    folder = Path("results") / str(content.get("name"))
    page = folder / "report" / "index.html"
    if not page.is_file():
        raise PesforgeError(f"{page}: there is no report yet; `make run STUDY={arguments.study}` makes it.")
    if "published" in content:
        return f"report:     {page}\ntable:      {folder / 'report' / 'table.csv'}\npotentials: {folder / 'fit'}"
    return f"report:    {page}\npotential: {folder / 'potential'}"


def _crystal(name: str) -> "LoadedStudy":
    """A checked study of a crystal."""
    from pesforge.study import LoadedStudy, load_study
    from pesforge.study_file import study_path

    path = study_path(name, CONFIG)
    loaded = load_study(path, CONFIG / "train")
    if not isinstance(loaded, LoadedStudy):
        raise PesforgeError(f"{path}: is a study of published labels; only studies of a crystal are archived.")
    return loaded


def _archive(arguments: argparse.Namespace) -> str:
    from pesforge.archive.crate import write_archive

    loaded = _crystal(arguments.study)
    out = arguments.out or Path("results") / loaded.settings.name / f"{loaded.settings.name}.crate.zip"
    files = write_archive(loaded, Path(), out)
    return f"archive: {out} ({files} files, {out.stat().st_size / 1e6:.1f} MB)"


def _verify(arguments: argparse.Namespace) -> str:
    from pesforge.archive.verify import verify

    found = verify(_crystal(arguments.study), Path(), arguments.folder)
    if not found.agrees:
        raise PesforgeError(f"the rerun does not agree with what was archived\n{found.text()}")
    return found.text()


def _settings(_: argparse.Namespace) -> str:
    from pesforge.settings_reference import settings_markdown

    return settings_markdown().rstrip("\n")


def _example(arguments: argparse.Namespace) -> str:
    from pesforge.settings_reference import commented_yaml
    from pesforge.study import load_study
    from pesforge.study_file import study_path

    loaded = load_study(study_path(arguments.study, CONFIG), CONFIG / "train")
    return commented_yaml(loaded.settings).rstrip("\n")


def _keys(arguments: argparse.Namespace) -> "LabelKeys":
    from pesforge.dataset import LabelKeys

    return LabelKeys(arguments.energy_key, arguments.forces_key, arguments.stress_key, arguments.group_key)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _one_thread() -> None:
    """Keep the many small matrix products of leave-group-out on one thread, unless the user has chosen a number."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _fit(arguments: argparse.Namespace) -> str:
    _one_thread()
    from pesforge.fitting import FitSettings
    from pesforge.fitting.commands import fit_files
    from pesforge.fitting.options import split_options

    settings = FitSettings(functions=arguments.functions)
    return fit_files(
        arguments.train,
        arguments.test,
        arguments.out,
        keys=_keys(arguments),
        settings=settings,
        say=_say,
        model=arguments.model,
        options=split_options(arguments.option),
    )


def _convert(arguments: argparse.Namespace) -> str:
    from pesforge.fitting.foundation import convert

    return convert(arguments.file, arguments.out, trust_pickle=arguments.trust_pickle)


def _evaluate(arguments: argparse.Namespace) -> str:
    _one_thread()
    from pesforge.fitting.commands import evaluate_files

    return evaluate_files(arguments.folder, arguments.file, keys=_keys(arguments), out=arguments.out, say=_say)


def _check(arguments: argparse.Namespace) -> str:
    _one_thread()
    from pesforge.validation import foreign

    calculator: Calculator
    if Path(arguments.calculator).is_dir():
        from pesforge.export import load_potential

        calculator = load_potential(Path(arguments.calculator))
    else:
        calculator = foreign.named_calculator(arguments.calculator, foreign.settings_of(arguments.argument))
    atoms, tolerances = foreign.read_structure(arguments.structure), foreign.tolerances_of(arguments.tolerance)
    checks = foreign.foreign_checks(calculator, atoms, tolerances, arguments.seed)
    failed = [check.name for check in checks if check.passed is False]
    if failed:
        sys.stdout.write(foreign.checks_text(checks) + "\n")
        raise PesforgeError(f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}.")
    return foreign.checks_text(checks)


def _compare(arguments: argparse.Namespace) -> str:
    _one_thread()
    from pesforge.comparison import compare

    names = (arguments.first, arguments.second)
    return compare(names, arguments.out, on=arguments.on, keys=_keys(arguments), root=Path(), config=CONFIG, say=_say)


def _lammps(arguments: argparse.Namespace) -> str:
    from pesforge.export.lammps.commands import export_lammps

    return export_lammps(arguments.folder, build=arguments.build)


def _add_file_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "fit a potential to a file of labels, without the workflow"
    command = commands.add_parser("fit", help=about, description=about)
    command.set_defaults(work=_fit)
    command.add_argument("train", type=Path, metavar="TRAIN.extxyz", help="labelled structures")
    command.add_argument("--test", type=Path, metavar="TEST.extxyz", help="labelled structures to predict only")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the potential and errors")
    command.add_argument("--model", choices=MODELS, default=MODELS[0], help="functional form (%(default)s)")
    command.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="option of the functional form; repeatable"
    )
    command.add_argument("--functions", type=int, metavar="K", help="most functions (as many as a minute allows)")
    _add_keys(command)
    about = "errors of a potential on a file of labels"
    command = commands.add_parser("evaluate", help=about, description=about)
    command.set_defaults(work=_evaluate)
    command.add_argument("folder", type=Path, metavar="DIR", help="folder of a fit or of a potential")
    command.add_argument("file", type=Path, metavar="FILE.extxyz", help="labelled structures")
    command.add_argument("--out", type=Path, metavar="FILE.json", help="write the errors there as well")
    _add_keys(command)
    about = "check symmetry and derivatives of any calculator of ASE"
    command = commands.add_parser("check", help=about, description=about)
    command.set_defaults(work=_check)
    command.add_argument(
        "calculator", metavar="CALCULATOR", help="folder of a potential, or dotted name such as ase.calculators.emt.EMT"
    )
    command.add_argument("structure", type=Path, metavar="FILE", help="structure that ASE reads; it is rattled first")
    command.add_argument(
        "--argument", action="append", default=[], metavar="NAME=VALUE", help="argument of the calculator; repeatable"
    )
    command.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="tolerance under the name that a study has for it, such as symmetry_ev=1e-5; repeatable",
    )
    command.add_argument("--seed", type=int, default=1, help="of displacements and operations (%(default)s)")
    about = "two finished studies or two potentials side by side in one page"
    command = commands.add_parser("compare", help=about, description=about)
    command.set_defaults(work=_compare)
    for place in ("first", "second"):
        command.add_argument(place, metavar=place.upper(), help="name or file of a study, or folder of a potential")
    command.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="the page")
    command.add_argument("--on", type=Path, metavar="FILE.extxyz", help="labelled structures to judge both on")
    _add_keys(command)
    about = "write the files that LAMMPS needs to run a potential"
    command = commands.add_parser("lammps", help=about, description=about)
    command.set_defaults(work=_lammps)
    command.add_argument("folder", type=Path, metavar="DIR", help="folder of a fit or of a potential")
    command.add_argument("--build", action="store_true", help="compile the plugin of pair_style pesforge as well")
    about = "turn a pickled MACE model into a folder that is safe to load"
    command = commands.add_parser("convert-mace", help=about, description=about)
    command.set_defaults(work=_convert)
    command.add_argument("file", type=Path, metavar="FILE", help="model as mace-torch stores it")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the potential")
    command.add_argument(
        "--trust-pickle", action="store_true", help="opening FILE runs whatever code is in it: allow it"
    )


def _add_keys(command: argparse.ArgumentParser) -> None:
    for kind in ("energy", "forces", "stress", "group"):
        command.add_argument(f"--{kind}-key", metavar="KEY", help=f"name of the {kind} in the file")


def _printable(text: str) -> str:
    """A message whose parts came out of files: what would steer a terminal is escaped."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command line `pesforge run | plan | where | settings | example | fit | evaluate | …`."""
    parser = argparse.ArgumentParser(prog="pesforge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, work, about in (
        ("run", _run, "run a study to its report, or go on where an earlier run stopped"),
        ("plan", _plan, "say what a study will compute and about how long it takes"),
        ("archive", _archive, "pack a finished study, its code and its labels into one file that others can verify"),
        ("verify", _verify, "run a finished study again from its labels, elsewhere, and compare all that it says"),
        ("where", _where, "say where the report and the potential of a study are"),
        ("settings", _settings, "write the meaning of every setting (Markdown)"),
        ("example", _example, "write a study in full, every key with its meaning (YAML)"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(work=work)
        if work is not _settings:
            command.add_argument("study", nargs="?", default="config", help="name below config/ or path of a YAML file")
        if work is _run:
            command.add_argument(
                "--profile",
                metavar="NAME",
                help="machine to run on, a folder below profiles/, such as slurm (this one)",
            )
        if work is _archive:
            command.add_argument("--out", type=Path, metavar="FILE.zip", help="where to (results/NAME/NAME.crate.zip)")
        if work is _verify:
            command.add_argument(
                "--folder", type=Path, metavar="DIR", help="where to run, new or empty (a temporary one)"
            )
    _add_file_commands(commands)
    arguments = parser.parse_args(argv)
    try:
        sys.stdout.write(arguments.work(arguments) + "\n")
    except PesforgeError as error:
        sys.stderr.write(f"pesforge: {_printable(str(error))}\n")
        return 1
    return 0
