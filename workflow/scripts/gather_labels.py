"""Adapter of the rule `gather_labels`."""

from collections import Counter
from pathlib import Path

from _adapter import run
from _frames import Counted, frames_of

from pesforge.dft.engines import remedies
from pesforge.dft.labelling import SettingsSeen, read_journals
from pesforge.dft.repeats import Labelled, check_failed_share, repeat_evidence
from pesforge.io import read_json, write_frames, write_json
from pesforge.sampling import phonon, thermal
from pesforge.sampling.gaussian_evidence import rises_of
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain


def work(job):
    failures = [failure for path in job.input.failures for failure in read_json(path)]
    measured = read_json(job.input.stiffness)
    parent, energy = from_plain(job.params.parent), measured["parent_energy_ev"]
    labelled, settings = [], SettingsSeen()
    thermal_rises, phonon_rises = rises_of(energy, thermal.NAME), rises_of(energy, phonon.NAME)
    passing = Counted(
        settings.add, lambda frame: labelled.append(Labelled.of(frame)), thermal_rises.add, phonon_rises.add
    )
    write_frames(job.output.labels, passing.through(frames_of(job.input.labels)))
    check_failed_share(len(labelled) + len(failures), failures, job.params.max_failed_fraction)
    settings.check()
    events = read_journals(Path(job.params.journals))
    repeats = repeat_evidence(events, labelled, failures, remedies(job.params.engine))
    write_json(
        job.output.evidence,
        {
            "requested": len(labelled) + len(failures),
            "labelled": len(labelled),
            "failed": failures,
            "by_family": Counter(label.family for label in labelled),
            "thermal_energy": thermal.energy_evidence(thermal_rises),
            "phonon_energy": phonon.energy_evidence(parent, phonon_rises, Measured.of(measured), job.params.statistics),
        },
    )
    write_json(job.output.repeats, repeats)
    return f"{len(labelled)} labels, {len(failures)} failed, {repeats['cured']} cured by a repetition"


run(snakemake, work)
