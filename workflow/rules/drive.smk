# The second wave of structures: a draft potential, or coarse DFT, moves the atoms.


rule fit_draft:
    input:
        labels=expand(f"{OUT}/label/batches/{{batch}}.extxyz", batch=FIRST_WAVE),
    output:
        model=f"{OUT}/drive/draft/model.json",
        weights=f"{OUT}/drive/draft/weights.safetensors",
        posterior=f"{OUT}/drive/draft/posterior.safetensors",
        card=f"{OUT}/drive/draft/MODEL_CARD.md",
        evidence=f"{OUT}/drive/draft.json",
    log:
        f"{OUT}/logs/fit_draft.log",
    benchmark:
        f"{OUT}/benchmarks/drive/fit_draft.tsv"
    priority: 95
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        functions=STUDY.sample.driver.functions,
        curate=GUARD,
        code=reached("fit_draft"),
    script:
        "../scripts/fit_draft.py"


rule sample_driven:
    input:
        pool=rules.gather_pool.output.pool,
        stiffness=rules.measure_stiffness.output.stiffness,
        draft=(
            [rules.fit_draft.output.model, rules.fit_draft.output.evidence]
            if STUDY.sample.driver.kind == "potential"
            else []
        ),
    output:
        frames=f"{OUT}/drive/runs/{{family}}.extxyz",
        runs=f"{OUT}/drive/runs/{{family}}.json",
    log:
        f"{OUT}/logs/sample_driven.{{family}}.log",
    benchmark:
        f"{OUT}/benchmarks/drive/sample_driven.{{family}}.tsv"
    priority: 95
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(720),
    params:
        parent=PARENT,
        settings=lambda wildcards: LOADED.driven[wildcards.family],
        driver=plain(STUDY.sample.driver),
        dft=plain(STUDY.dft),
        converge=plain(STUDY.converge),
        curate=GUARD,
        seed=STUDY.seed,
        store=DRIVE_STORE,
        store_code=DFT_CODE,
        code=reached("sample_driven"),
    script:
        "../scripts/sample_driven.py"


rule gather_driven:
    input:
        frames=expand(f"{OUT}/drive/runs/{{family}}.extxyz", family=LOADED.driven),
        runs=expand(f"{OUT}/drive/runs/{{family}}.json", family=LOADED.driven),
        draft=(
            rules.fit_draft.output.evidence
            if STUDY.sample.driver.kind == "potential"
            else []
        ),
    output:
        pool=f"{OUT}/drive/pool.extxyz",
        evidence=f"{OUT}/evidence/drive.json",
    log:
        f"{OUT}/logs/gather_driven.log",
    benchmark:
        f"{OUT}/benchmarks/drive/gather_driven.tsv"
    priority: 95
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        driver=plain(STUDY.sample.driver),
        counts=COUNTS,
        code=reached("gather_driven"),
    script:
        "../scripts/gather_driven.py"
