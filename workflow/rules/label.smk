# Reference calculations, in batches.


rule label_batch:
    input:
        pool=lambda wildcards: POOLS[wildcards.batch][0],
        settings=rules.choose_settings.output.settings,
    output:
        labels=f"{OUT}/label/batches/{{batch}}.extxyz",
        failures=f"{OUT}/label/batches/{{batch}}.failures.json",
    log:
        f"{OUT}/logs/label_batch.{{batch}}.log",
    benchmark:
        f"{OUT}/benchmarks/label/label_batch.{{batch}}.tsv"
    priority: 50
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(720),
    params:
        dft=plain(STUDY.dft),
        batch_size=STUDY.label.batch_size,
        first_batch=lambda wildcards: POOLS[wildcards.batch][1],
        journals=f"{OUT}/label/journal",
        store=STORE,
        store_code=DFT_CODE,
        code=reached("label_batch"),
    script:
        "../scripts/label_batch.py"


rule gather_labels:
    input:
        labels=expand(f"{OUT}/label/batches/{{batch}}.extxyz", batch=WAVES),
        failures=expand(f"{OUT}/label/batches/{{batch}}.failures.json", batch=WAVES),
        stiffness=rules.measure_stiffness.output.stiffness,
    output:
        labels=f"{OUT}/label/labels.extxyz",
        evidence=f"{OUT}/evidence/label.json",
        repeats=f"{OUT}/evidence/repeats.json",
    log:
        f"{OUT}/logs/gather_labels.log",
    benchmark:
        f"{OUT}/benchmarks/label/gather_labels.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        parent=PARENT,
        engine=STUDY.dft.engine,
        max_failed_fraction=STUDY.label.max_failed_fraction,
        statistics=phonon_statistics(STUDY),
        journals=f"{OUT}/label/journal",
        code=reached("gather_labels"),
    script:
        "../scripts/gather_labels.py"
