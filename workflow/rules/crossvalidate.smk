# Leave-group-out over regularisation and basis size of the linear model.


rule crossvalidate_linear:
    input:
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
    output:
        evidence=f"{OUT}/evidence/crossvalidate.json",
        curve=f"{OUT}/crossvalidate/grid.csv",
    log:
        f"{OUT}/logs/crossvalidate_linear.log",
    benchmark:
        f"{OUT}/benchmarks/crossvalidate/crossvalidate_linear.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        crossvalidate=plain(STUDY.crossvalidate),
        code=reached("crossvalidate_linear"),
    script:
        "../scripts/crossvalidate_linear.py"


# What the potential says of its own errors, before and after calibration, on groups that it has not seen.
rule calibrate_uncertainty:
    input:
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
        crossvalidation=rules.crossvalidate_linear.output.evidence,
    output:
        evidence=f"{OUT}/evidence/uncertainty.json",
        table=f"{OUT}/crossvalidate/coverage.csv",
    log:
        f"{OUT}/logs/calibrate_uncertainty.log",
    benchmark:
        f"{OUT}/benchmarks/crossvalidate/calibrate_uncertainty.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        crossvalidate=plain(STUDY.crossvalidate),
        study_seed=STUDY.seed,
        code=reached("calibrate_uncertainty"),
    script:
        "../scripts/calibrate_uncertainty.py"


# What each family cost, and what it bought: errors on all the others with and without it.
rule weigh_families:
    input:
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
        crossvalidation=rules.crossvalidate_linear.output.evidence,
        labels=rules.gather_labels.output.labels,
        label_evidence=rules.gather_labels.output.evidence,
        others=[
            f"{OUT}/evidence/converge.json",
            f"{OUT}/validate/eos.json",
            f"{OUT}/validate/elastic.json",
            *([f"{OUT}/validate/phases.json"] if LOADED.crystals else []),
            *([f"{OUT}/fidelity/labels.extxyz"] if STUDY.fidelity is not None else []),
            *([f"{OUT}/evidence/learn.json"] if STUDY.learn is not None else []),
            *(
                [f"{OUT}/analysis/response.json"]
                if STUDY.analysis.locality is not None
                else []
            ),
        ],
    output:
        evidence=f"{OUT}/evidence/ledger.json",
    log:
        f"{OUT}/logs/weigh_families.log",
    benchmark:
        f"{OUT}/benchmarks/crossvalidate/weigh_families.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        crossvalidate=plain(STUDY.crossvalidate),
        journals=f"{OUT}/label/journal",
        low_journals=f"{OUT}/fidelity/journal",
        learn_journals=LEARN_JOURNALS,
        store=STORE,
        store_code=DFT_CODE,
        moving_store=MOVING_STORE,
        code=reached("weigh_families"),
    script:
        "../scripts/weigh_families.py"
