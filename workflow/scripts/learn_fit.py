"""Adapter of the rule `learn_fit`."""

import sys
from pathlib import Path

from _adapter import run
from _learn import believed, stopped

from pesforge.export import save_model
from pesforge.fitting.draft import fit_draft
from pesforge.io import write_json


def work(job):
    if stopped(job.input.state):
        Path(job.output.potential).mkdir(parents=True, exist_ok=True)
        write_json(job.output.evidence, None)
        return f"round {job.wildcards.round}: the rounds have stopped"
    kept, decisions = believed(job.input.labels, job.params.curate)
    result, evidence = fit_draft(kept, job.params.functions, lambda text: print(text, file=sys.stdout))
    save_model(Path(job.output.potential), result.potential, result.metadata)
    write_json(job.output.evidence, {**evidence, "dropped": [decision.to_dict() for decision in decisions]})
    return (
        f"round {job.wildcards.round}: {evidence['functions']} functions on {len(kept)} labels, left out "
        f"{evidence['energy_mae_mev_per_atom']:.1f} meV/atom (MAE), {evidence['force_rmse_ev_per_ang']:.3f} eV/Å"
    )


run(snakemake, work)
