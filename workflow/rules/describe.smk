# Descriptors: the design matrix, once per structure.


rule describe_structures:
    input:
        frames=rules.filter_labels.output.frames,
    output:
        design=f"{OUT}/describe/design.npz",
        basis=f"{OUT}/describe/basis.json",
        evidence=f"{OUT}/evidence/describe.json",
    log:
        f"{OUT}/logs/describe_structures.log",
    benchmark:
        f"{OUT}/benchmarks/describe/describe_structures.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(1),
    params:
        parent=PARENT,
        describe=plain(STUDY.describe),
        code=reached("describe_structures"),
    script:
        "../scripts/describe_structures.py"


rule project_invariants:
    input:
        frames=rules.audit_dataset.output.frames,
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
    output:
        projections=f"{OUT}/describe/projections.npz",
        projector=f"{OUT}/describe/projector.npz",
    log:
        f"{OUT}/logs/project_invariants.log",
    benchmark:
        f"{OUT}/benchmarks/describe/project_invariants.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(4),
    params:
        projections=STUDY.describe.projections,
        prior_power=STUDY.crossvalidate.prior_power,
        code=reached("project_invariants"),
    script:
        "../scripts/project_invariants.py"
