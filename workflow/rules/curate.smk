# Data hygiene: what is dropped, and why.


rule filter_labels:
    input:
        labels=rules.gather_labels.output.labels,
    output:
        frames=f"{OUT}/curate/filtered.extxyz",
        decisions=f"{OUT}/curate/filtered.json",
    log:
        f"{OUT}/logs/filter_labels.log",
    benchmark:
        f"{OUT}/benchmarks/curate/filter_labels.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        curate=plain(STUDY.curate),
        code=reached("filter_labels"),
    script:
        "../scripts/filter_labels.py"


rule audit_dataset:
    input:
        frames=rules.filter_labels.output.frames,
        decisions=rules.filter_labels.output.decisions,
        design=f"{OUT}/describe/design.npz",
        basis=f"{OUT}/describe/basis.json",
    output:
        frames=f"{OUT}/curate/curated.extxyz",
        design=f"{OUT}/curate/design.npz",
        decisions=f"{OUT}/curate/decisions.csv",
        evidence=f"{OUT}/evidence/curate.json",
    log:
        f"{OUT}/logs/audit_dataset.log",
    benchmark:
        f"{OUT}/benchmarks/curate/audit_dataset.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(1),
    params:
        curate=plain(STUDY.curate),
        crossvalidate=plain(STUDY.crossvalidate),
        folds=STUDY.train.folds,
        parent=PARENT,
        displacement=STUDY.sample.stiffness_displacement_ang,
        strain=STUDY.validate_.elastic_strain,
        seed=STUDY.seed,
        code=reached("audit_dataset"),
    script:
        "../scripts/audit_dataset.py"


rule measure_coverage:
    input:
        cloud=rules.draw_candidates.output.cloud,
        pools=[
            rules.gather_pool.output.pool,
            *([rules.gather_driven.output.pool] if COUNTS else []),
            *expand(f"{OUT}/learn/{{round}}/picks.extxyz", round=ROUNDS),
        ],
        curated=rules.audit_dataset.output.frames,
    output:
        evidence=f"{OUT}/evidence/coverage.json",
    log:
        f"{OUT}/logs/measure_coverage.log",
    benchmark:
        f"{OUT}/benchmarks/curate/measure_coverage.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        code=reached("measure_coverage"),
    script:
        "../scripts/measure_coverage.py"
