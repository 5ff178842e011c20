"""Adapter of the rule `weigh_families`."""

from pathlib import Path

from _adapter import run

from pesforge.cost import spending, stored_seconds
from pesforge.dft.labelling import LABEL_PREFIX, read_journals
from pesforge.dft.store import LabelStore
from pesforge.fields import FAMILY, ID, LABEL_KEY
from pesforge.io import read_frames, read_json, write_json
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import emphasis_of
from pesforge.training.ledger import keep_ledger, weigh_families


def work(job):
    settings = Crossvalidate.model_validate(job.params.crossvalidate)
    validated = read_json(job.input.crossvalidation)
    chosen, design = validated["chosen"], Design.load(job.input.design).emphasised(emphasis_of(validated))
    mask = AceBasis.from_dict(read_json(job.input.basis)).subset_mask(chosen["degree_reduction"])
    problem = LinearProblem(design, prior_power=settings.prior_power)
    store = LabelStore(Path(job.params.store), job.params.store_code)
    rules = sorted({path.name.split(".")[0] for path in store.journals.glob("*.jsonl")})
    jobs = {rule: [*read_journals(store.journals, f"{rule}.*jsonl")] for rule in rules}
    moving = job.params.moving_store and LabelStore(Path(job.params.moving_store), store.code)
    others = {"label_low_batch": [job.params.low_journals], **job.params.learn_journals}
    for rule, folders in others.items():
        events = [event for folder in folders for event in read_journals(Path(folder))]
        jobs |= {rule: events} if events else {}
    frames = read_frames(job.input.labels)
    spent = spending(
        stored_seconds(store.root, store.code),
        labels=[(a.info[ID], a.info[FAMILY], a.info[LABEL_KEY].removeprefix(LABEL_PREFIX)) for a in frames],
        failed=[(row["id"], row["family"]) for row in read_json(job.input.label_evidence)["failed"]],
        batches=read_journals(Path(job.params.journals)),
        jobs=jobs,
        moving=moving and stored_seconds(moving.root, moving.code),
        moves=[*read_journals(moving.journals)] if moving else (),
    )
    evidence = keep_ledger(spent, weigh_families(problem, Weights.of(settings), chosen["alpha"], mask))
    write_json(job.output.evidence, evidence)
    return "; ".join(f"{row['family']}: {row['outcome']}" for row in evidence["bought"]) or evidence["remark"]


run(snakemake, work)
