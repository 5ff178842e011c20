"""Adapter of the rule `compare_published`."""

from pathlib import Path

import pandas as pd
from _adapter import run

from pesforge.io import atomic_path, read_json, write_json
from pesforge.provenance import digest, fingerprint, versions
from pesforge.published.compare import evidence, long_table, text_table
from pesforge.published.settings import PublishedStudy

PARTS = ("dataset", "published", "fitting", "representations", "potentials", "training", "export", "report")


def work(job):
    study = PublishedStudy.model_validate(job.params.study)
    elements = study.published.elements
    metrics = [read_json(Path(folder) / "metrics.json") for folder in job.input.fits]
    labels = [read_json(path) for path in job.input.labels]
    costs = [read_json(path) for path in job.input.costs]
    found = evidence(study, dict(zip(elements, metrics, strict=True)), dict(zip(elements, labels, strict=True)))
    with atomic_path(job.output.table) as temporary:
        pd.DataFrame(long_table(found["rows"])).to_csv(temporary, index=False)
    write_json(job.output.cost, {"fits": [{"element": name, **row} for name, row in zip(elements, costs, strict=True)]})
    write_json(
        job.output.provenance,
        {
            "study": study.name,
            "study_hash": digest(job.params.study),
            "versions": versions(),
            "code": {part: fingerprint(part) for part in PARTS},
        },
    )
    write_json(job.output.evidence, found)
    return "\n".join(["test MAE, energy meV/atom / force eV/Å", *text_table(found["rows"], found["verdicts"])])


run(snakemake, work)
