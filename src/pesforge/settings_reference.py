"""The settings explained: config/README.md and the commented example, both made from the types in `settings`."""

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pesforge.published.settings import PublishedStudy
from pesforge.settings import Section, Study

INTRODUCTION = """# Settings of a study

A study is one YAML file. `make run STUDY=NAME` reads `config/NAME.yaml`, `make run STUDY=path/to/file.yaml` any other
file; without `STUDY` it is `config/config.yaml`. Keys that a study leaves out have the defaults below. A wrong study
ends before anything is computed, with all of its mistakes at once. Sampled structures that are independent random
draws are groups of their own; cells strained along one direction share a group, and so do all volumes of one crystal,
all slabs of one plane and cut, all shifts along one line, all defects of one site and element, and all distances of one
pair. No split ever separates a group.

Families that are `null` below `sample` are switched on by giving their section, an empty one (`{}`) where all of its
keys have defaults. Their structures are not relaxed: `surface`, `stacking_fault`, `vacancy` and `interstitial` are cut
out of the perfect crystal and, where stated, displaced as the bulk would be at a temperature.

`md`, `liquid`, `amorphous` and `relaxed` need a driver and are a second wave of labels: a draft potential, fitted to
the labels of all other families, or coarse DFT moves the atoms (`sample.driver`). Runs stop where atoms come too near,
a force is beyond `curate.max_force_ev_per_ang`, or the draft leaves what it was trained on; they then give fewer
structures, and the report says so. A draft knows what its labels show: a melt wants `compression`, `interstitial` and
hot `thermal` structures beside it. One run is one group; a relaxed defect stays in the group and the family of the
unrelaxed one.

Whether a crystal has the planes, cuts, sites and voids that a study asks for is found out when the study is read. The
k-points of every cell are as dense as those of the parent, with one point across a vacuum and in a box. Unlike the
energies of strained parents, those of cells of other shapes do not share the error of one mesh of k-points: these
families need `converge` to be tight. Molecules have no stress. Short distances are meant in `dimer` and `compression`,
yet the filters of `curate` hold for all families: a study that asks for distances below `curate.min_distance_factor` is
refused, and a label with a force above `curate.max_force_ev_per_ang` is dropped and listed in the report with the
reason. Raise that limit to train on steep repulsion.

`validate: {hull: {}}` compares formation energies and the convex hull by DFT and by the potential. The crystals must
hold each element alone, for its chemical potential. Each stands at the minimum of its own equation of state, from as
many volumes as the parent's; its shape and the places of its atoms in the cell are kept.

`learn: {}` adds rounds of active learning behind all other labels. In every round a draft potential, fitted to all
labels so far, moves the crystal; of the candidates that this gives, those that teach most are labelled and join the
labels of the study as the family `learned`, every run a group. A run that the guard stops gives the structure where it
stopped too. An exam, drawn at random from runs of its own and never trained on, judges the potential of `describe`
before each round: every pair of T and ε has its share of it, and a pair whose run the guard stops is run again with the
next draft. The rounds end when the exam is whole and every tolerance of `learn.stop` is met. Random labels of the same
candidates are the control, `learn.controls` times as many; all are judged on the exam of the last round. A tolerance
that is tightened later, or a larger `learn.rounds`, goes on from there and computes no label twice.

`analysis: {locality: {}}` judges the cutoff radius: exact leave-group-out errors of the linear potential at several
cutoffs, and force constants of DFT and of the chosen potential by distance, with an SCF tolerance a hundred times
tighter than that of the labels. A larger `analysis.locality.supercell` costs calculations and shows farther pairs.

The training runs of the sweep have a configuration of their own, in `config/train` (Hydra); `train.overrides` of a
study changes it, for example `["model.width=32"]`.

`train: {members: 5}` makes a deep ensemble of a chosen neural potential. Each member is a job of its own with its own
first parameters and bootstrap sample of the groups; it is trained once for every fold, which judges it, and once for
all groups, which is shipped. The spread of the members, calibrated on the held-out folds, gives intervals of errors;
`train.heteroscedastic` lets the noise beside it depend on the surroundings of the atoms. Where the linear potential is
chosen no member is trained; `choose: {kinds: [neural]}` leaves it out of the choice. With one member and
`train: {overrides: [model.dropout=0.1]}` draws of dropout are calibrated in the same way, without more training.

There are two kinds: studies of a crystal, and, told apart by the section `published`, studies that rebuild a published
table of errors.

This file is written by `pesforge settings`; a test holds it in step with the code.
"""
CRYSTAL = "\n# A study of a crystal\n"
PUBLISHED = "\n# A study of a published table\n"

EXAMPLE_HEADERS: dict[type[Section], str] = {
    Study: """\
# The default study: silicon on real DFT. Every key stands here with its meaning. A study of your own leaves out what it
# does not change (the defaults stand in config/README.md; `sample.wide` and `validate.phonon_width_ang`, on here, are
# off by default); another crystal needs only another `structure`.
# Written by `make docs` from the settings types.

""",
    PublishedStudy: """\
# A study that rebuilds a published table. Every key stands here with its meaning; defaults stand in config/README.md.

""",
}


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """Settings sections inside a type such as `Thermal | None` or `tuple[Target, ...]`."""
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType, tuple) else (annotation,)
    return [item for item in options if isinstance(item, type) and issubclass(item, Section)]


def _type_name(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{item}`" for item in arguments)
    if origin is dict:
        return f"{_type_name(arguments[1])} by name"
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join("null" if item is type(None) else _type_name(item) for item in arguments)
    return {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "Path": "path"}.get(
        getattr(annotation, "__name__", ""), str(annotation)
    )


def _limits(field: FieldInfo) -> str:
    """Allowed range of a number or of the length of a list."""
    words = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "min_length": "length ≥", "max_length": "length ≤"}
    found = [
        f"{sign} {getattr(item, key):g}" for item in field.metadata for key, sign in words.items() if hasattr(item, key)
    ]
    return ", ".join(dict.fromkeys(found))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return f"`{json.dumps(field.get_default(call_default_factory=True), ensure_ascii=False)}`"


def _tables(model: type[BaseModel], path: str, about: str) -> Iterator[str]:
    rows, inner = [], []
    for name, field in model.model_fields.items():
        key = field.alias or name
        sections = _sections(field.annotation)
        if sections:
            items = "[]" if get_origin(field.annotation) is tuple else ""
            about_it = (sections[0].__doc__ or "").strip()
            inner.append((sections[0], f"{path}.{key}{items}" if path else key, about_it))
        else:
            cells = [f"`{key}`", field.description or "", _type_name(field.annotation), _limits(field), _default(field)]
            rows.append(f"| {' | '.join(cells)} |")
    yield f"\n## {f'`{path}`' if path else 'Top level'}\n\n{about}\n\n"
    if rows:
        yield "| key | meaning | type | range | default |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    for section in inner:
        yield from _tables(*section)


def settings_markdown() -> str:
    """The text of config/README.md: every key with meaning, type, range and default."""
    parts = ((CRYSTAL, Study), (PUBLISHED, PublishedStudy))
    return INTRODUCTION + "".join(
        title + "".join(_tables(model, "", (model.__doc__ or "").strip())) for title, model in parts
    )


def commented_yaml(study: Study | PublishedStudy) -> str:
    """A study as a YAML file, complete, with the meaning of every key beside it."""

    def lines(section: BaseModel, indent: int) -> Iterator[str]:
        for name, field in type(section).model_fields.items():
            value, key = getattr(section, name), field.alias or name
            if isinstance(value, Section):
                yield ""
                yield f"{' ' * indent}# {(type(value).__doc__ or '').strip()}"
                yield f"{' ' * indent}{key}:"
                yield from lines(value, indent + 2)
            else:
                plain = json.loads(section.model_dump_json(include={name}))[name]
                yield f"{' ' * indent}{key}: {json.dumps(plain, ensure_ascii=False)}  # {field.description}"

    return EXAMPLE_HEADERS[type(study)] + "\n".join(lines(study, 0)) + "\n"
