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
    params:
        crossvalidate=plain(STUDY.crossvalidate),
        code=fingerprint("potentials/linear", "training/crossvalidate", "metrics"),
    script:
        "../scripts/crossvalidate_linear.py"
