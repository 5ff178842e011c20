"""Adapter of the rule `validate_potential`."""

from pathlib import Path

import numpy as np
from _adapter import run

from pesforge.export import load_potential
from pesforge.io import read_frames, read_json, write_json
from pesforge.provenance import derive_seed
from pesforge.settings import Validate
from pesforge.structure import from_plain
from pesforge.validation.accuracy import accuracy_checks, domain_of, unfit_families
from pesforge.validation.check import Check
from pesforge.validation.cohesion import cohesion_check
from pesforge.validation.defects import Sides, compare_defects, mesh_offsets
from pesforge.validation.derivatives import derivative_checks
from pesforge.validation.dynamics import dynamics_checks
from pesforge.validation.excess import Crystal
from pesforge.validation.phases import compare_phases
from pesforge.validation.properties import compare, evaluate, phonon_thz
from pesforge.validation.spectrum import spectrum, spectrum_check
from pesforge.validation.symmetry import symmetry_checks
from pesforge.validation.verdict import verdict


def work(job):
    settings = Validate.model_validate(job.params.validate)
    parent, frames = from_plain(job.params.parent), read_frames(job.input.frames)
    calculator = load_potential(Path(job.input.model).parent)
    held_out = read_json(job.input.held_out)
    stiffness, converge = read_json(job.input.stiffness), read_json(job.input.convergence)
    proof = dict(zip(job.params.proof, map(read_json, job.input.proof), strict=True))
    reference = {
        **read_json(job.input.eos),
        **read_json(job.input.elastic),
        "optical_phonon_thz": stiffness["optical_phonon_thz"],
    }
    probe = {"tolerances": settings.tolerances, "seed": derive_seed(job.params.seed, "validate")}
    displacement = job.params.displacement
    properties, curves = compare(
        calculator, parent, reference=reference, settings=settings, displacement_ang=displacement
    )
    cell = from_plain(job.params.phonon_cell) if job.params.phonon_cell else parent
    compared = read_json(job.input.phonons) if job.params.phonon_cell else stiffness
    phi = {
        "dft": np.array(compared["force_constants_ev_per_ang2"]),
        "potential": phonon_thz(calculator, cell, displacement)[1],
    }
    stable, hull = [], None
    if job.params.crystals:
        known = read_json(job.input.phases)["phases"]
        stable, hull = compare_phases(calculator, job.params.crystals, known, frames=frames, settings=settings)
    mu = hull["chemical_potentials_ev"] if hull else {"dft": {}, "potential": {}}
    (at_rest,) = evaluate(calculator, [parent])
    sides = Sides(
        Crystal(parent, stiffness["parent_energy_ev"], mu["dft"]),
        Crystal(parent, at_rest["energy"], mu["potential"]),
        mesh_offsets(converge),
    )
    labels = read_frames(job.input.labels)
    excess, defects = compare_defects(calculator, labels, sides, settings.tolerances)
    minima = {side: curves["eos"][f"{side}_fit"] for side in ("dft", "potential")}
    cohesion = cohesion_check(
        calculator,
        parent,
        labels,
        crystal_ev_per_atom={side: fit and fit["energy_ev_per_atom"] for side, fit in minima.items()},
        tolerance_percent=settings.tolerances.cohesive_percent,
    )
    checks = [
        *(Check(**check) for check in converge["label_checks"]),
        *accuracy_checks(held_out["errors"], settings.tolerances, held_out["how"]),
        *symmetry_checks(parent, calculator, **probe),
        *derivative_checks(parent, calculator, **probe),
        *properties,
        cohesion,
        spectrum_check(cell, **phi, tolerances=settings.tolerances),
        *stable,
        *excess,
        *(dynamics_checks(proof["dynamics"], settings.tolerances) if "dynamics" in proof else []),
    ]
    unfit = unfit_families(held_out["by_family"], settings.tolerances)
    judged = verdict(
        checks,
        use=job.params.use,
        domain=domain_of(frames, job.params.families),
        cutoff_ang=calculator.potential.basis.cutoff_ang,
        unfit=unfit,
    )
    write_json(
        job.output.evidence,
        {
            "verdict": judged,
            "checks": [check.to_dict() for check in checks],
            "how_held_out": held_out["how"],
            **{key: held_out[key] for key in ("by_family", "by_force", "worst")},
            **curves,
            "hull": hull,
            "spectrum": spectrum(calculator, parent, cell, **phi, displacement_ang=displacement),
            "defects": defects | {"relaxed": proof.get("relaxed")},
            "dynamics": proof.get("dynamics"),
        },
    )
    return f"{judged['passed']} checks passed, {judged['failed']} failed. {judged['summary']}"


run(snakemake, work)
