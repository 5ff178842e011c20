# The non-dominated points, the choice by stated use, and the folder that a user takes away.


rule choose_potential:
    input:
        metrics=expand(
            f"{OUT}/train/{{run}}/seed_{{seed}}/metrics.json", run=RUNS, seed=SEEDS
        ),
    output:
        choice=f"{OUT}/choose/choice.json",
        evidence=f"{OUT}/evidence/choose.json",
        training=f"{OUT}/evidence/train.json",
    log:
        f"{OUT}/logs/choose_potential.log",
    benchmark:
        f"{OUT}/benchmarks/choose/choose_potential.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(2),
    params:
        use=STUDY.choose.use,
        kinds=list(STUDY.choose.kinds),
        code=reached("choose_potential"),
    script:
        "../scripts/choose_potential.py"


rule export_potential:
    input:
        choice=rules.choose_potential.output.choice,
        runs=rules.choose_potential.input.metrics,
        frames=rules.audit_dataset.output.frames,
        design=rules.audit_dataset.output.design,
        basis=rules.describe_structures.output.basis,
        projector=rules.project_invariants.output.projector,
        crossvalidation=rules.crossvalidate_linear.output.evidence,
        settings=rules.choose_settings.output.settings,
        members=MEMBER_METRICS,
        own_errors=f"{OUT}/evidence/ensemble.json" if MEMBERS or DROPOUT else [],
        calibration=f"{OUT}/ensemble/calibration.json" if MEMBERS or DROPOUT else [],
    output:
        model=f"{OUT}/potential/model.json",
        weights=f"{OUT}/potential/weights.safetensors",
        card=f"{OUT}/potential/MODEL_CARD.md",
        held_out=f"{OUT}/choose/held_out.json",
    log:
        f"{OUT}/logs/export_potential.log",
    benchmark:
        f"{OUT}/benchmarks/choose/export_potential.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(3),
    params:
        study=STUDY.name,
        crossvalidate=plain(STUDY.crossvalidate),
        folds=STUDY.train.folds,
        study_seed=STUDY.seed,
        runs=RUNS,
        families=list(STUDY.choose.families),
        code=reached("export_potential"),
    script:
        "../scripts/export_potential.py"


rule map_structures:
    input:
        cloud=rules.draw_candidates.output.cloud,
        frames=rules.audit_dataset.output.frames,
        held_out=rules.export_potential.output.held_out,
    output:
        evidence=f"{OUT}/evidence/map.json",
    log:
        f"{OUT}/logs/map_structures.log",
    benchmark:
        f"{OUT}/benchmarks/choose/map_structures.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        code=reached("map_structures"),
    script:
        "../scripts/map_structures.py"
