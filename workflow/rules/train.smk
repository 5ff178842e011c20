# Lightning sweep over loss weights: one job per point and seed, all on the same cached descriptors.


rule train_run:
    input:
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
        projections=rules.project_invariants.output.projections,
        crossvalidation=rules.crossvalidate_linear.output.evidence,
    output:
        metrics=f"{OUT}/train/{{run}}/seed_{{seed}}/metrics.json",
        head=f"{OUT}/train/{{run}}/seed_{{seed}}/head.safetensors",
        head_description=f"{OUT}/train/{{run}}/seed_{{seed}}/head.json",
        residuals=f"{OUT}/train/{{run}}/seed_{{seed}}/residuals.npz",
        history=f"{OUT}/train/{{run}}/seed_{{seed}}/history.csv",
    log:
        f"{OUT}/logs/train_run.{{run}}.seed_{{seed}}.log",
    benchmark:
        f"{OUT}/benchmarks/train/train_run.{{run}}.seed_{{seed}}.tsv"
    priority: 40
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(3000),
        runtime=raised(120),
    params:
        config=lambda wildcards: RUNS[wildcards.run],
        crossvalidate=plain(STUDY.crossvalidate),
        folds=STUDY.train.folds,
        study_seed=STUDY.seed,
        code=reached("train_run"),
    script:
        "../scripts/train_run.py"
