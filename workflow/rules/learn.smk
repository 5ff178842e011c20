# Rounds of active learning, a recursion over the wildcard `round`: draft, exam, candidates, choice, labels, next draft.
# The DAG holds all rounds; after a stop they pass the state on and write empty files. Nothing waits for the control.


rule learn_fit:
    input:
        labels=lambda wildcards: labels_before(wildcards.round),
        state=lambda wildcards: earlier_state(wildcards.round),
    output:
        potential=directory(f"{OUT}/learn/{{round}}/potential"),
        evidence=f"{OUT}/learn/{{round}}/draft.json",
    log:
        f"{OUT}/logs/learn_fit.{{round}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_fit.{{round}}.tsv"
    priority: 55
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        functions=STUDY.sample.driver.functions,
        curate=GUARD,
        code=reached("learn_fit"),
    script:
        "../scripts/learn_fit.py"


rule learn_exam:
    input:
        potential=rules.learn_fit.output.potential,
        draft=rules.learn_fit.output.evidence,
        state=lambda wildcards: earlier_state(wildcards.round),
        earlier=lambda wildcards: sittings(int(wildcards.round) - 1),
    output:
        pool=f"{OUT}/learn/{{round}}/exam/pool.extxyz",
        runs=f"{OUT}/learn/{{round}}/exam/runs.json",
    log:
        f"{OUT}/logs/learn_exam.{{round}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_exam.{{round}}.tsv"
    priority: 55
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        motion=LEARN_MOTION,
        test=STUDY.learn.test,
        code=reached("learn_exam"),
    script:
        "../scripts/learn_exam.py"


rule label_exam:
    input:
        pool=rules.learn_exam.output.pool,
        settings=rules.choose_settings.output.settings,
    output:
        labels=f"{OUT}/learn/{{round}}/exam/batches/{{batch}}.extxyz",
        failures=f"{OUT}/learn/{{round}}/exam/batches/{{batch}}.failures.json",
    log:
        f"{OUT}/logs/label_exam.{{round}}.{{batch}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/label_exam.{{round}}.{{batch}}.tsv"
    priority: 50
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(720),
    params:
        dft=plain(STUDY.dft),
        batch_size=STUDY.label.batch_size,
        journals=lambda wildcards: exam_journal(wildcards.round),
        store=STORE,
        store_code=DFT_CODE,
        code=reached("label_beside"),
    script:
        "../scripts/label_beside.py"


rule learn_judge:
    input:
        labels=lambda wildcards: labels_before(wildcards.round),
        exam=lambda wildcards: exam_before(wildcards.round),
        sittings=lambda wildcards: sittings(wildcards.round),
        state=lambda wildcards: earlier_state(wildcards.round),
    output:
        state=f"{OUT}/learn/{{round}}/state.json",
    log:
        f"{OUT}/logs/learn_judge.{{round}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_judge.{{round}}.tsv"
    priority: 55
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        model=LEARN_MODEL,
        stop=plain(STUDY.learn.stop),
        code=reached("learn_judge"),
    script:
        "../scripts/learn_judge.py"


rule learn_pool:
    input:
        potential=rules.learn_fit.output.potential,
        draft=rules.learn_fit.output.evidence,
        state=rules.learn_judge.output.state,
    output:
        pool=f"{OUT}/learn/{{round}}/pool.extxyz",
        runs=f"{OUT}/learn/{{round}}/runs.json",
    log:
        f"{OUT}/logs/learn_pool.{{round}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_pool.{{round}}.tsv"
    priority: 55
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        motion=LEARN_MOTION,
        code=reached("learn_pool"),
    script:
        "../scripts/learn_pool.py"


rule learn_select:
    input:
        labels=lambda wildcards: labels_before(wildcards.round),
        pool=rules.learn_pool.output.pool,
        settings=rules.choose_settings.output.settings,
    output:
        picks=f"{OUT}/learn/{{round}}/picks.extxyz",
        beside=f"{OUT}/learn/{{round}}/beside.extxyz",
        choice=f"{OUT}/learn/{{round}}/choice.json",
    log:
        f"{OUT}/logs/learn_select.{{round}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_select.{{round}}.tsv"
    priority: 55
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(5),
    params:
        model=LEARN_MODEL,
        acquisition=STUDY.learn.rule,
        diverse=STUDY.learn.diverse,
        cost=STUDY.learn.cost,
        dft=plain(STUDY.dft),
        per_round=STUDY.learn.per_round,
        controls=STUDY.learn.controls,
        seed=STUDY.seed,
        code=reached("learn_select"),
    script:
        "../scripts/learn_select.py"


rule label_control:
    input:
        pool=rules.learn_select.output.beside,
        settings=rules.choose_settings.output.settings,
    output:
        labels=f"{OUT}/learn/{{round}}/control/{{batch}}.extxyz",
        failures=f"{OUT}/learn/{{round}}/control/{{batch}}.failures.json",
    log:
        f"{OUT}/logs/label_control.{{round}}.{{batch}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/label_control.{{round}}.{{batch}}.tsv"
    priority: 50
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(720),
    params:
        dft=plain(STUDY.dft),
        batch_size=STUDY.label.batch_size,
        journals=lambda wildcards: control_journal(wildcards.round),
        store=STORE,
        store_code=DFT_CODE,
        code=reached("label_beside"),
    script:
        "../scripts/label_beside.py"


# Fits of all rounds, by choice and at random, on the exam of the last one.
rule learn_curve:
    input:
        labels=labels_before(STUDY.learn.rounds),
        control=control_before(STUDY.learn.rounds),
        choices=choices_before(STUDY.learn.rounds),
        exam=exam_before(STUDY.learn.rounds),
        state=state_of(STUDY.learn.rounds),
    output:
        curve=f"{OUT}/learn/curve.json",
    log:
        f"{OUT}/logs/learn_curve.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_curve.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        model=LEARN_MODEL,
        controls=STUDY.learn.controls,
        code=reached("learn_curve"),
    script:
        "../scripts/learn_curve.py"


# The evidence, and the assertion that the last state is that of the configuration.
rule learn_conclude:
    input:
        state=state_of(STUDY.learn.rounds),
        choices=choices_before(STUDY.learn.rounds),
        drafts=expand(f"{OUT}/learn/{{round}}/draft.json", round=ROUNDS),
        runs=expand(f"{OUT}/learn/{{round}}/runs.json", round=ROUNDS),
        exam_runs=sittings(STUDY.learn.rounds),
        picks=expand(f"{OUT}/label/batches/{{batch}}.extxyz", batch=LEARNED_WAVES),
        control=control_before(STUDY.learn.rounds),
        exam=exam_before(STUDY.learn.rounds),
        curve=rules.learn_curve.output.curve,
    output:
        evidence=f"{OUT}/evidence/learn.json",
    log:
        f"{OUT}/logs/learn_conclude.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_conclude.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        learn=plain(STUDY.learn),
        store=STORE,
        store_code=DFT_CODE,
        code=reached("learn_conclude"),
    script:
        "../scripts/learn_conclude.py"
