"""Command line: run a study, say what it will cost and where its results are, and what every setting means."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pesforge.errors import PesforgeError

CONFIG = Path("config")


def _plan(arguments: argparse.Namespace) -> str:
    from pesforge.plan import plan_text
    from pesforge.study import load_study, study_path

    return plan_text(load_study(study_path(arguments.study, CONFIG), CONFIG / "train"), Path("results"))


def _run(arguments: argparse.Namespace) -> str:
    from pesforge.launch import run
    from pesforge.study import load_study, study_path

    path = study_path(arguments.study, CONFIG)
    study = load_study(path, CONFIG / "train").settings
    page = Path("results") / study.name / "report" / "index.html"
    before = page.stat().st_mtime_ns if page.is_file() else None
    status = run(str(path))
    if status:
        raise PesforgeError(f"study {study.name} did not finish; see above. `make run` goes on from here.")
    if before == page.stat().st_mtime_ns:
        sys.stdout.write(f"study {study.name}: everything is up to date, nothing was computed\n")
    return _where(arguments)


def _where(arguments: argparse.Namespace) -> str:
    from pesforge.study import read_yaml, study_path

    name = read_yaml(study_path(arguments.study, CONFIG))[0].get("name")
    page = Path("results") / str(name) / "report" / "index.html"
    if not page.is_file():
        raise PesforgeError(f"{page}: there is no report yet; `make run STUDY={arguments.study}` makes it.")
    return f"report:    {page}\npotential: {page.parent.parent / 'potential'}"


def _settings(_: argparse.Namespace) -> str:
    from pesforge.settings_reference import settings_markdown

    return settings_markdown().rstrip("\n")


def _example(arguments: argparse.Namespace) -> str:
    from pesforge.settings_reference import commented_yaml
    from pesforge.study import load_study, study_path

    loaded = load_study(study_path(arguments.study, CONFIG), CONFIG / "train")
    return commented_yaml(loaded.settings).rstrip("\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command line `pesforge run | plan | where | settings | example`."""
    parser = argparse.ArgumentParser(prog="pesforge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, work, about in (
        ("run", _run, "run a study to its report, or go on where an earlier run stopped"),
        ("plan", _plan, "say what a study will compute and about how long it takes"),
        ("where", _where, "say where the report and the potential of a study are"),
        ("settings", _settings, "write the meaning of every setting (Markdown)"),
        ("example", _example, "write a study in full, every key with its meaning (YAML)"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(work=work)
        if work is not _settings:
            command.add_argument("study", nargs="?", default="config", help="name below config/ or path of a YAML file")
    arguments = parser.parse_args(argv)
    try:
        sys.stdout.write(arguments.work(arguments) + "\n")
    except PesforgeError as error:
        sys.stderr.write(f"pesforge: {error}\n")
        return 1
    return 0
