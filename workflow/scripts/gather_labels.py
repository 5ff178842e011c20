"""Adapter of the rule `gather_labels`."""

from collections import Counter
from pathlib import Path

from _adapter import run

from pesforge.dft.engines import remedies
from pesforge.dft.labelling import check_one_settings, read_journals
from pesforge.dft.repeats import check_failed_share, repeat_evidence
from pesforge.fields import FAMILY
from pesforge.io import read_frames, read_json, write_frames, write_json
from pesforge.sampling import phonon, thermal
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain


def work(job):
    frames = [frame for path in job.input.labels for frame in read_frames(path)]
    failures = [failure for path in job.input.failures for failure in read_json(path)]
    check_failed_share(len(frames) + len(failures), failures, job.params.max_failed_fraction)
    check_one_settings(frames)
    events = read_journals(Path(job.params.journals))
    repeats = repeat_evidence(events, frames, failures, remedies(job.params.engine))
    measured = read_json(job.input.stiffness)
    parent, energy = from_plain(job.params.parent), measured["parent_energy_ev"]
    write_frames(job.output.labels, frames)
    write_json(
        job.output.evidence,
        {
            "requested": len(frames) + len(failures),
            "labelled": len(frames),
            "failed": failures,
            "by_family": Counter(frame.info[FAMILY] for frame in frames),
            "thermal_energy": thermal.energy_evidence(energy, frames),
            "phonon_energy": phonon.energy_evidence(
                parent, energy, frames, Measured.of(measured), job.params.statistics
            ),
        },
    )
    write_json(job.output.repeats, repeats)
    return f"{len(frames)} labels, {len(failures)} failed, {repeats['cured']} cured by a repetition"


run(snakemake, work)
