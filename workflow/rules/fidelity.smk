# A cheap level of the reference method beside the converged one, and what the two bring at equal cost.


rule choose_low_settings:
    input:
        settings=rules.choose_settings.output.settings,
    output:
        settings=f"{OUT}/fidelity/settings.json",
    log:
        f"{OUT}/logs/choose_low_settings.log",
    benchmark:
        f"{OUT}/benchmarks/fidelity/choose_low_settings.tsv"
    priority: 100
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        parent=PARENT,
        low=plain(STUDY.fidelity.low),
        code=reached("choose_low_settings"),
    script:
        "../scripts/choose_low_settings.py"


rule label_low_batch:
    input:
        pool=rules.gather_pool.output.pool,
        settings=rules.choose_low_settings.output.settings,
    output:
        labels=f"{OUT}/fidelity/batches/{{batch}}.extxyz",
        failures=f"{OUT}/fidelity/batches/{{batch}}.failures.json",
    log:
        f"{OUT}/logs/label_low_batch.{{batch}}.log",
    benchmark:
        f"{OUT}/benchmarks/fidelity/label_low_batch.{{batch}}.tsv"
    priority: 45
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(720),
    params:
        dft=plain(STUDY.dft),
        families=list(STUDY.fidelity.families),
        batch_size=STUDY.label.batch_size,
        journals=f"{OUT}/fidelity/journal",
        store=STORE,
        store_code=DFT_CODE,
        code=reached("label_low_batch"),
    script:
        "../scripts/label_low_batch.py"


rule gather_low_labels:
    input:
        labels=expand(
            f"{OUT}/fidelity/batches/{{batch}}.extxyz", batch=low_batches(STUDY)
        ),
        failures=expand(
            f"{OUT}/fidelity/batches/{{batch}}.failures.json", batch=low_batches(STUDY)
        ),
    output:
        labels=f"{OUT}/fidelity/labels.extxyz",
        failures=f"{OUT}/fidelity/failures.json",
    log:
        f"{OUT}/logs/gather_low_labels.log",
    benchmark:
        f"{OUT}/benchmarks/fidelity/gather_low_labels.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(1),
    params:
        code=reached("gather_low_labels"),
    script:
        "../scripts/gather_low_labels.py"


rule compare_fidelities:
    input:
        frames=rules.audit_dataset.output.frames,
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
        settings=rules.choose_settings.output.settings,
        low_settings=rules.choose_low_settings.output.settings,
        low=rules.gather_low_labels.output.labels,
        failures=rules.gather_low_labels.output.failures,
    output:
        evidence=f"{OUT}/evidence/fidelity.json",
    log:
        f"{OUT}/logs/compare_fidelities.log",
    benchmark:
        f"{OUT}/benchmarks/fidelity/compare_fidelities.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        dft=plain(STUDY.dft),
        fidelity=plain(STUDY.fidelity),
        crossvalidate=plain(STUDY.crossvalidate),
        seed=STUDY.seed,
        store=STORE,
        store_code=DFT_CODE,
        code=reached("compare_fidelities"),
    script:
        "../scripts/compare_fidelities.py"
