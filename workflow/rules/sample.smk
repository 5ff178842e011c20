# Structures to label.


rule measure_stiffness:
    input:
        settings=rules.choose_settings.output.settings,
    output:
        stiffness=f"{OUT}/sample/stiffness.json",
    log:
        f"{OUT}/logs/measure_stiffness.log",
    benchmark:
        f"{OUT}/benchmarks/sample/measure_stiffness.tsv"
    priority: 100
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(240),
    params:
        parent=PARENT,
        dft=plain(STUDY.dft),
        displacement=STUDY.sample.stiffness_displacement_ang,
        store=STORE,
        store_code=DFT_CODE,
        code=reached("measure_stiffness"),
    script:
        "../scripts/measure_stiffness.py"


rule sample_family:
    input:
        stiffness=rules.measure_stiffness.output.stiffness,
    output:
        frames=f"{OUT}/sample/{{family}}.extxyz",
    log:
        f"{OUT}/logs/sample_family.{{family}}.log",
    benchmark:
        f"{OUT}/benchmarks/sample/sample_family.{{family}}.tsv"
    priority: 90
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        parent=PARENT,
        settings=lambda wildcards: LOADED.families[wildcards.family],
        seed=STUDY.seed,
        code=reached("sample_family"),
    script:
        "../scripts/sample_family.py"


rule draw_candidates:
    input:
        stiffness=rules.measure_stiffness.output.stiffness,
    output:
        cloud=f"{OUT}/sample/candidates.npz",
    log:
        f"{OUT}/logs/draw_candidates.log",
    benchmark:
        f"{OUT}/benchmarks/sample/draw_candidates.tsv"
    priority: 90
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        parent=PARENT,
        ranges=CANDIDATES,
        cutoff_ang=STUDY.describe.cutoff_ang,
        min_distance_factor=STUDY.curate.min_distance_factor,
        seed=STUDY.seed,
        code=reached("draw_candidates"),
    script:
        "../scripts/draw_candidates.py"


if STUDY.sample.gaps:

    ruleorder: fill_gaps > sample_family

    rule fill_gaps:
        input:
            cloud=rules.draw_candidates.output.cloud,
            others=expand(
                f"{OUT}/sample/{{family}}.extxyz",
                family=[family for family in STUDY.families if family != "gaps"],
            ),
            stiffness=rules.measure_stiffness.output.stiffness,
        output:
            frames=f"{OUT}/sample/gaps.extxyz",
        log:
            f"{OUT}/logs/fill_gaps.log",
        benchmark:
            f"{OUT}/benchmarks/sample/fill_gaps.tsv"
        priority: 90
        conda:
            "../../envs/pipeline.yaml"
        resources:
            mem_mb=raised(SMALL_MB),
        params:
            parent=PARENT,
            gaps=plain(STUDY.sample.gaps),
            ranges=CANDIDATES,
            seed=STUDY.seed,
            code=reached("fill_gaps"),
        script:
            "../scripts/fill_gaps.py"


rule gather_pool:
    input:
        families=expand(f"{OUT}/sample/{{family}}.extxyz", family=STUDY.families),
        stiffness=rules.measure_stiffness.output.stiffness,
    output:
        pool=f"{OUT}/sample/pool.extxyz",
        evidence=f"{OUT}/evidence/sample.json",
    log:
        f"{OUT}/logs/gather_pool.log",
    benchmark:
        f"{OUT}/benchmarks/sample/gather_pool.tsv"
    priority: 90
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        parent=PARENT,
        statistics=phonon_statistics(STUDY),
        code=reached("gather_pool"),
    script:
        "../scripts/gather_pool.py"
