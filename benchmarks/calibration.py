"""Coverage of calibrated intervals on groups that neither the fit nor the calibration has seen, over several re-splits.

Every re-split holds out a fifth of the groups. The rest is fitted, each of its groups left out in turn gives the errors
that the calibration is made of, and the held-out fifth judges it; all re-splits and files are pooled.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/calibration.py FILE.extxyz [FILE.extxyz …] [--splits 10]
"""

import argparse
from pathlib import Path

import numpy as np

from pesforge.dataset import read_dataset
from pesforge.folds import group_folds
from pesforge.metrics import KINDS, TO_REPORTED
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design, describe
from pesforge.uncertainty.calibration import calibrate, raw_laws
from pesforge.uncertainty.merit import STATED, Scored
from pesforge.uncertainty.variance import linear_left_out, linear_new

PRIOR_POWER = 2.0
HELD_OUT = 5
WEIGHTS = Weights(320.0**2, 1.0, 50.0**2)
ALPHA = 1e-5
CASES = ("raw", "Gaussian", "Student", "calibrated")
HOW = {"Gaussian": (False, False), "Student": (True, False), "calibrated": (True, True)}
Found = dict[tuple[str, str], list[Scored]]


def split(design: Design, held: np.ndarray) -> Found:
    """Errors of the held-out structures judged by every law."""
    seen = design.select(np.setdiff1d(np.arange(len(design.ids)), held))
    problem = LinearProblem(seen, prior_power=PRIOR_POWER)
    factor = problem.factorise(WEIGHTS, ALPHA)
    left_out = linear_left_out(problem, WEIGHTS, ALPHA, seen.groups)
    new, raw = linear_new(factor, design.select(held)), raw_laws(factor)
    found: Found = {}
    for kind in KINDS:
        if not len(left_out[kind].error):
            continue
        laws = {"raw": raw[kind]}
        for name, (heavy_tails, bend) in HOW.items():
            laws[name] = calibrate(left_out[kind], heavy_tails=heavy_tails, bend=bend)
        for name, law in laws.items():
            found[kind, name] = [Scored.of(new[kind], law)]
    return found


def tell(title: str, found: Found) -> None:
    """Print the table of coverage and the figures of merit."""
    print(f"\n{title}\n{'':20}" + "".join(f"{100 * level:>7.0f}" for level in STATED) + "    ECE   std     max  rank")
    for kind in KINDS:
        for name in CASES:
            if (kind, name) in found:
                scored = Scored.joined(found[kind, name])
                figures = scored.figures(TO_REPORTED[kind])
                shares = "".join(f"{100 * share:>7.1f}" for share in scored.coverage(STATED))
                print(
                    f"{kind:>8} {name:<11}{shares}{figures['calibration_error_percent']:>7.2f}"
                    f"{figures['standardised_std']:>6.2f}{figures['standardised_largest']:>8.1f}{figures['spearman']:>6.2f}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--splits", type=int, default=10)
    given = parser.parse_args()
    pooled: Found = {}
    for path in given.files:
        frames = list(read_dataset(path).frames)
        species = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
        design = describe(frames, AceBasis(species, 5.0, (14, 11, 8), (0, 5, 4)))
        own: Found = {}
        for number in range(given.splits):
            folds = group_folds(design.groups, HELD_OUT, number // HELD_OUT, families=design.families)
            for key, scored in split(design, folds[number % HELD_OUT]).items():
                own.setdefault(key, []).extend(scored)
        tell(f"{path.stem}: {len(frames)} structures, {len(set(design.groups))} groups, {given.splits} splits", own)
        for key, scored in own.items():
            pooled.setdefault(key, []).extend(scored)
    if len(given.files) > 1:
        tell("all files", pooled)


if __name__ == "__main__":
    main()
