# Names and helper functions shared by the rule files of a study of a crystal; no rules.
import math

from pesforge.dft.pseudopotentials import pseudopotential_digests
from pesforge.dft.shapes import other_shapes
from pesforge.learn_settings import LEARNED
from pesforge.representations.functions import list_functions
from pesforge.sampling.candidates import stated_range
from pesforge.sampling.wide_cell import wide_cell
from pesforge.structure import from_plain


def numbered(first, structures):
    """Names of the label batches of a wave, from number `first` on; they follow from the settings alone."""
    last = first + math.ceil(structures / STUDY.label.batch_size)
    return [f"{index:04d}" for index in range(first, last)]


def learned_waves(first, learn):
    """Names of the batches of the picks of each round, from number `first` on; nothing without rounds."""
    if learn is None:
        return []
    size = len(numbered(0, learn.per_round))
    return [numbered(first + size * number, learn.per_round) for number in ROUNDS]


def exam_journal(number):
    """Folder of the journals of what a round adds to the exam."""
    return f"{OUT}/learn/{number}/exam/journal"


def control_journal(number):
    """Folder of the journals of the control of a round."""
    return f"{OUT}/learn/{number}/control/journal"


def pools():
    """Of every batch the file that its structures stand in, and the number of the first batch of that file."""
    waves = [
        (f"{OUT}/sample/pool.extxyz", FIRST_WAVE),
        (f"{OUT}/drive/pool.extxyz", SECOND_WAVE),
        *((f"{OUT}/learn/{number}/picks.extxyz", PICKED[number]) for number in ROUNDS),
    ]
    return {batch: (pool, int(wave[0])) for pool, wave in waves for batch in wave}


def low_total(study):
    """Number of structures that the low level labels; 0 in a study of one level."""
    if study.fidelity is None:
        return 0
    chosen = study.fidelity.families or study.families
    return sum(count for name, count in study.families.items() if name in chosen)


def low_batches(study):
    """Names of the batches of the low level."""
    return [
        f"{index:04d}"
        for index in range(math.ceil(low_total(study) / study.label.batch_size))
    ]


def most_learned(study):
    """Number of structures that the rounds of active learning choose at most."""
    return study.learn.rounds * study.learn.per_round if study.learn is not None else 0


def scanned_parameters(study):
    """Numerical parameters that the stage `converge` scans."""
    names = ["cutoff_ev", "k_spacing_per_ang", "scf_tolerance"]
    return names + (["smearing_ev"] if study.converge.smearing_ev else [])


def phonon_statistics(study):
    """Statistics of the family `phonon`; None where it is off."""
    return study.sample.phonon and study.sample.phonon.statistics


def cell_atoms(family):
    """Atoms of the cells of a family whose settings these are; slabs and molecules count as the parent cell."""
    if "width_ang" in family:
        return len(wide_cell(from_plain(PARENT), family["width_ang"]))
    return math.prod(family.get("supercell", (1,))) * len(PARENT["symbols"])


def design_mb():
    """Estimate of the matrix of descriptors of all labels, in MB; surfaces count as their parent cell."""
    describe, species = STUDY.describe, sorted(set(PARENT["symbols"]))
    functions = len(species) * len(
        list_functions(
            max_degree=tuple(describe.max_degree),
            l_max=tuple(describe.l_max),
            l_weight=describe.l_weight,
            channel_degrees=(0.0,) * len(species),
        )
    )
    rows = 0
    for family, count in STUDY.families.items():
        rows += count * (7 + 3 * cell_atoms(LOADED.families[family]))
    for cells in LOADED.standins.values():
        rows += sum(7 + 3 * len(cell) for cell in cells)
    rows += most_learned(STUDY) * (7 + 3 * len(PARENT["symbols"]))
    return math.ceil(8e-6 * rows * functions)


def with_design(matrices):
    """Memory of a job that holds as much as this many matrices of descriptors at once."""
    return raised(SMALL_MB + matrices * DESIGN_MB)


def alone(section):
    """Settings of what the potential does alone: one section, and the volumes at which its minimum is looked for."""
    keys = ("eos_points", "eos_linear_strain_max", section)
    return {key: plain(STUDY.validate_)[key] for key in keys}


def dynamics_temperatures(study):
    """Temperatures of molecular dynamics: those stated, else the lowest and the highest of the thermal samples."""
    given = study.validate_.dynamics.temperatures_k
    thermal = study.sample.thermal.temperatures_k if study.sample.thermal else [300.0]
    return sorted({min(thermal), max(thermal)} if given is None else given)


def opening(study):
    """What will be computed, for the line at the start."""
    families = ", ".join(
        f"{count} {family}" for family, count in {**study.families, **COUNTS}.items()
    )
    learned = most_learned(study)
    families += f", up to {learned} {LEARNED}" if learned else ""
    runs = f"{len(RUNS) * study.train.sweep.seeds} training runs"
    return f"{families} structures; {runs}" + (
        f" and {len(MEMBER_METRICS)} of members of an ensemble" if MEMBERS else ""
    )


PARENT = LOADED.parent
CANDIDATES = plain(stated_range(STUDY.sample))
RUNS = LOADED.runs
SEEDS = [str(seed) for seed in range(STUDY.train.sweep.seeds)]
# An ensemble has its members once for every fold, which judges them, and once for all groups; without one there is nothing of it in the DAG.
MEMBERS = [str(number) for number in range(STUDY.train.members)]
MEMBERS = MEMBERS if len(MEMBERS) > 1 else []
PARTS = [*(str(fold) for fold in range(STUDY.train.folds)), "all"]
MEMBER_METRICS = expand(
    f"{OUT}/ensemble/{{part}}/member_{{member}}/metrics.json",
    part=PARTS,
    member=MEMBERS,
)
DROPOUT = any(run["model"]["dropout"] > 0 for run in RUNS.values())
# Structures that a driver makes are a second wave of labels; where there are none, nothing of it is in the DAG.
COUNTS = {family: len(cells) for family, cells in LOADED.standins.items()}
FIRST_WAVE = numbered(0, sum(STUDY.families.values()))
SECOND_WAVE = numbered(len(FIRST_WAVE), sum(COUNTS.values()))
# So are the picks of every round of active learning.
ROUNDS = [*range(STUDY.learn.rounds)] if STUDY.learn is not None else []
PICKED = learned_waves(len(FIRST_WAVE + SECOND_WAVE), STUDY.learn)
LEARNED_WAVES = [batch for wave in PICKED for batch in wave]
WAVES = FIRST_WAVE + SECOND_WAVE + LEARNED_WAVES
POOLS = pools()
LEARN_JOURNALS = {}
if STUDY.learn is not None:
    LEARN_JOURNALS["label_exam"] = [exam_journal(number) for number in ROUNDS]
    LEARN_JOURNALS["label_control"] = [control_journal(number) for number in ROUNDS]
GUARD = {
    key: getattr(STUDY.curate, key)
    for key in ("max_force_ev_per_ang", "min_distance_factor")
}
STORE = f"{OUT}/store"
DRIVE_STORE = f"{OUT}/drive/store"
# Steps of the reference code; None where a potential moves the atoms.
MOVING_STORE = DRIVE_STORE if COUNTS and STUDY.sample.driver.kind == "dft" else None
SHAPES = other_shapes(STUDY.sample)
PSEUDOPOTENTIALS = pseudopotential_digests(STUDY.dft)
DFT_CODE = fingerprint(*ENGINE, "dft/settings")
EVIDENCE = [
    f"{OUT}/evidence/{stage}.json"
    for stage in (
        "converge",
        "sample",
        "label",
        "repeats",
        "curate",
        "coverage",
        "map",
        "describe",
        "crossvalidate",
        "uncertainty",
        "train",
        "choose",
        "validate",
        "provenance",
        "cost",
        "ledger",
        *(["drive"] if COUNTS else []),
    )
]
if STUDY.fidelity is not None:
    EVIDENCE.append(f"{OUT}/evidence/fidelity.json")
if STUDY.learn is not None:
    EVIDENCE.append(f"{OUT}/evidence/learn.json")
if STUDY.analysis.locality is not None:
    EVIDENCE.append(f"{OUT}/evidence/locality.json")
if MEMBERS or DROPOUT:
    EVIDENCE.append(f"{OUT}/evidence/ensemble.json")
TARGETS = [f"{OUT}/report/index.html", f"{OUT}/potential/model.json", *EVIDENCE]
OPENING = opening(STUDY)
DESIGN_MB = design_mb()

# How much there is to do is told to the jobs for their progress lines. A parameter would rerun finished jobs when it grows.
os.environ.update(
    PESFORGE_LABELS=str(
        sum(STUDY.families.values()) + sum(COUNTS.values()) + most_learned(STUDY)
    ),
    PESFORGE_LOW_LABELS=str(low_total(STUDY)),
    PESFORGE_RUNS=str(len(RUNS) * len(SEEDS)),
)
