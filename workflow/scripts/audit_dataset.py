"""Adapter of the rule `audit_dataset`."""

import csv
from functools import partial
from pathlib import Path

from _adapter import run

from pesforge.curation.audit import audit
from pesforge.curation.filters import Decision
from pesforge.export.curvature import curvature_of
from pesforge.fields import ID
from pesforge.io import atomic_path, iter_frames, read_json, write_frames, write_json
from pesforge.provenance import derive_seed
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate, Curate
from pesforge.structure import from_plain


def on_disk(folder, design, structures):
    """The design of some structures; its rows stay in a file that has no name any more when it is returned."""
    if len(structures) == len(design.ids):
        return design
    path = folder / ".selected.npz"
    design.save(path, structures)
    try:
        return Design.load(path)
    finally:
        path.unlink()


def work(job):
    design = Design.load(job.input.design)
    kept, evidence = audit(
        (str(frame.info[ID]) for frame in iter_frames(job.input.frames)),
        design,
        Curate.model_validate(job.params.curate),
        model=Crossvalidate.model_validate(job.params.crossvalidate),
        n_folds=job.params.folds,
        seed=derive_seed(job.params.seed, "folds"),
        properties=curvature_of(
            AceBasis.from_dict(read_json(job.input.basis)),
            from_plain(job.params.parent),
            displacement_ang=job.params.displacement,
            strain=job.params.strain,
        ),
        select=partial(on_disk, Path(job.output.design).parent),
        dropped=[Decision(**decision) for decision in read_json(job.input.decisions)],
    )
    chosen = set(kept.tolist())
    write_frames(
        job.output.frames,
        (frame for index, frame in enumerate(iter_frames(job.input.frames)) if index in chosen),
    )
    design.save(job.output.design, kept)
    with atomic_path(job.output.decisions) as temporary, temporary.open("w", newline="") as table:
        writer = csv.DictWriter(table, ["id", "filter", "reason"])
        writer.writeheader()
        writer.writerows(evidence["dropped"])
    write_json(job.output.evidence, evidence)
    return f"{len(kept)} labels kept, {len(evidence['dropped'])} dropped"


run(snakemake, work)
