# From a crystal, or from a published set of labels, to a report. This file is the page of contents: the study, the stages, the targets.
from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"


wildcard_constraints:
    parameter="cutoff_ev|k_spacing_per_ang|scf_tolerance|smearing_ev",
    family="[a-z_]+",
    batch="[0-9]+",
    run="[0-9a-f]{8}",
    seed="[0-9]+",
    element="[A-Z][a-z]?",
    split="training|test",
    part="all|[0-9]+",
    member="[0-9]+",
    round="[0-9]+",


if isinstance(LOADED, LoadedPublished):

    include: "workflow/rules/tables.smk"
    include: "workflow/rules/published.smk"

else:

    include: "workflow/rules/crystal.smk"
    include: "workflow/rules/converge.smk"
    include: "workflow/rules/sample.smk"
    include: "workflow/rules/drive.smk"
    include: "workflow/rules/label.smk"
    include: "workflow/rules/curate.smk"
    include: "workflow/rules/describe.smk"
    include: "workflow/rules/crossvalidate.smk"
    include: "workflow/rules/train.smk"
    include: "workflow/rules/choose.smk"

    if MEMBERS or DROPOUT:

        include: "workflow/rules/ensemble.smk"
    include: "workflow/rules/validate.smk"

    if STUDY.fidelity is not None:

        include: "workflow/rules/fidelity.smk"

    if STUDY.learn is not None:

        include: "workflow/rules/rounds.smk"
        include: "workflow/rules/learn.smk"

    if STUDY.analysis.locality is not None:

        include: "workflow/rules/analysis.smk"
    include: "workflow/rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        TARGETS,


onstart:
    print(f"study {STUDY.name}: {OPENING}", file=sys.stderr, flush=True)
