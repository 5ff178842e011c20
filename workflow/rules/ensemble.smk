# A deep ensemble of the chosen neural potential, and what it, or dropout, says of its own errors.
# Where the linear potential is chosen, the jobs say so and train nothing.

RESIDUALS = [path.replace("metrics.json", "residuals.npz") for path in MEMBER_METRICS]


# One member: its bootstrap sample of the groups, its seed, its fold or all groups. All of them can run side by side.
rule train_member:
    input:
        choice=rules.choose_potential.output.choice,
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
        projections=rules.project_invariants.output.projections,
        crossvalidation=rules.crossvalidate_linear.output.evidence,
    output:
        metrics=f"{OUT}/ensemble/{{part}}/member_{{member}}/metrics.json",
        head=f"{OUT}/ensemble/{{part}}/member_{{member}}/head.safetensors",
        head_description=f"{OUT}/ensemble/{{part}}/member_{{member}}/head.json",
        residuals=f"{OUT}/ensemble/{{part}}/member_{{member}}/residuals.npz",
    log:
        f"{OUT}/logs/train_member.{{part}}.member_{{member}}.log",
    benchmark:
        f"{OUT}/benchmarks/ensemble/train_member.{{part}}.member_{{member}}.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        runs=RUNS,
        crossvalidate=plain(STUDY.crossvalidate),
        folds=STUDY.train.folds,
        study_seed=STUDY.seed,
        code=reached("train_member"),
    script:
        "../scripts/train_member.py"


rule calibrate_ensemble:
    input:
        choice=rules.choose_potential.output.choice,
        runs=rules.choose_potential.input.metrics,
        members=MEMBER_METRICS,
        residuals=RESIDUALS,
        design=rules.audit_dataset.output.design,
        projections=rules.project_invariants.output.projections,
    output:
        evidence=f"{OUT}/evidence/ensemble.json",
        calibration=f"{OUT}/ensemble/calibration.json",
        table=f"{OUT}/ensemble/coverage.csv",
    log:
        f"{OUT}/logs/calibrate_ensemble.log",
    benchmark:
        f"{OUT}/benchmarks/ensemble/calibrate_ensemble.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(3),
    params:
        runs=RUNS,
        folds=STUDY.train.folds,
        heteroscedastic=STUDY.train.heteroscedastic,
        study_seed=STUDY.seed,
        code=reached("calibrate_ensemble"),
    script:
        "../scripts/calibrate_ensemble.py"
