"""Adapter of the rule `gather_labels`."""

from collections import Counter

from _adapter import run

from pesforge.dft.labelling import check_one_settings
from pesforge.fields import FAMILY
from pesforge.io import read_frames, read_json, write_frames, write_json
from pesforge.sampling.thermal import energy_evidence


def work(job):
    frames = [frame for path in job.input.labels for frame in read_frames(path)]
    failures = [failure for path in job.input.failures for failure in read_json(path)]
    check_one_settings(frames)
    write_frames(job.output.labels, frames)
    write_json(
        job.output.evidence,
        {
            "requested": len(frames) + len(failures),
            "labelled": len(frames),
            "failed": failures,
            "by_family": Counter(frame.info[FAMILY] for frame in frames),
            "thermal_energy": energy_evidence(read_json(job.input.stiffness)["parent_energy_ev"], frames),
        },
    )
    return f"{len(frames)} labels, {len(failures)} failed"


run(snakemake, work)
