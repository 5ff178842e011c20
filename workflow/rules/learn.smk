# Rounds of active learning, a recursion over the wildcard `round`: exam, draft, candidates, choice, labels, next exam.
# The DAG holds all rounds; after a stop they pass the state on and write empty files.


def labels_before(number):
    """Batches of labels that the fits of a round see: both waves, and the picks of the rounds before it."""
    learned = [batch for earlier in range(int(number)) for batch in PICKED[earlier]]
    names = [*FIRST_WAVE, *SECOND_WAVE, *learned]
    return expand(f"{OUT}/label/batches/{{batch}}.extxyz", batch=names)


def state_of(number):
    """What the exam before a round found; nothing before the first draft, which makes the exam."""
    return f"{OUT}/learn/{number}/state.json"


def beside(number, suffix):
    """Batches of the control of a round that are no picks."""
    return expand(
        f"{OUT}/learn/{number}/control/{{batch}}.{suffix}",
        batch=numbered(0, STUDY.learn.per_round if STUDY.learn.control else 0),
    )


def control_before(number):
    """Batches of the control of all rounds before a round."""
    return [
        path for earlier in range(int(number)) for path in beside(earlier, "extxyz")
    ]


def choices_before(number):
    """What each round before a round chose."""
    return expand(f"{OUT}/learn/{{round}}/choice.json", round=range(int(number)))


EXAM_LABELS = expand(
    f"{OUT}/learn/exam/batches/{{batch}}.extxyz", batch=numbered(0, STUDY.learn.test)
)
LEARN_MODEL = {
    "parent": PARENT,
    "describe": plain(STUDY.describe),
    "reduction": STUDY.learn.reduction(STUDY.crossvalidate.degree_reductions),
    "crossvalidate": plain(STUDY.crossvalidate),
    "curate": GUARD,
}
LEARN_MOTION = {
    "parent": PARENT,
    "pool": plain(STUDY.learn.pool),
    "leverage_factor": STUDY.sample.driver.leverage_factor,
    "curate": GUARD,
    "seed": STUDY.seed,
}
LEARN_MOTION_CODE = fingerprint("sampling", "fitting/draft", "export/calculator")
LEARN_CODE = (
    "learning",
    "acquisition",
    "uncertainty",
    "representations",
    "potentials/linear",
    "potentials/normal",
    "potentials/evidence",
    "curation/filters",
)


rule learn_fit:
    input:
        labels=lambda wildcards: labels_before(wildcards.round),
        state=lambda wildcards: (
            state_of(wildcards.round) if int(wildcards.round) else []
        ),
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
    params:
        functions=STUDY.sample.driver.functions,
        curate=GUARD,
        code=fingerprint(
            "curation/filters",
            "fitting",
            "export",
            "learning/state",
            "potentials",
            "representations",
        ),
    script:
        "../scripts/learn_fit.py"


rule learn_exam:
    input:
        potential=f"{OUT}/learn/0/potential",
        draft=f"{OUT}/learn/0/draft.json",
    output:
        pool=f"{OUT}/learn/exam/pool.extxyz",
        runs=f"{OUT}/learn/exam/runs.json",
    log:
        f"{OUT}/logs/learn_exam.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_exam.tsv"
    priority: 55
    conda:
        "../../envs/pipeline.yaml"
    params:
        motion=LEARN_MOTION,
        test=STUDY.learn.test,
        code=LEARN_MOTION_CODE + fingerprint("learning/choose"),
    script:
        "../scripts/learn_exam.py"


rule label_exam:
    input:
        pool=rules.learn_exam.output.pool,
        settings=rules.choose_settings.output.settings,
    output:
        labels=f"{OUT}/learn/exam/batches/{{batch}}.extxyz",
        failures=f"{OUT}/learn/exam/batches/{{batch}}.failures.json",
    log:
        f"{OUT}/logs/label_exam.{{batch}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/label_exam.{{batch}}.tsv"
    priority: 50
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=2000,
        runtime=720,
    params:
        dft=plain(STUDY.dft),
        batch_size=STUDY.label.batch_size,
        journals=f"{OUT}/learn/exam/journal",
        store=STORE,
        store_code=DFT_CODE,
        code=fingerprint(*CALCULATION, "dft/labelling"),
    script:
        "../scripts/label_beside.py"


rule learn_judge:
    input:
        labels=lambda wildcards: labels_before(wildcards.round),
        control=lambda wildcards: control_before(wildcards.round),
        choices=lambda wildcards: choices_before(wildcards.round),
        exam=EXAM_LABELS,
        state=lambda wildcards: (
            state_of(int(wildcards.round) - 1) if int(wildcards.round) else []
        ),
    output:
        state=f"{OUT}/learn/{{round}}/state.json",
    log:
        f"{OUT}/logs/learn_judge.{{round}}.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_judge.{{round}}.tsv"
    priority: 55
    conda:
        "../../envs/pipeline.yaml"
    params:
        model=LEARN_MODEL,
        stop=plain(STUDY.learn.stop),
        control=STUDY.learn.control,
        code=fingerprint(*LEARN_CODE),
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
    params:
        motion=LEARN_MOTION,
        code=LEARN_MOTION_CODE + fingerprint("learning/state"),
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
    params:
        model=LEARN_MODEL,
        acquisition=STUDY.learn.rule,
        diverse=STUDY.learn.diverse,
        cost=STUDY.learn.cost,
        dft=plain(STUDY.dft),
        per_round=STUDY.learn.per_round,
        control=STUDY.learn.control,
        seed=STUDY.seed,
        code=fingerprint(*LEARN_CODE, "dft/prices"),
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
        mem_mb=2000,
        runtime=720,
    params:
        dft=plain(STUDY.dft),
        batch_size=STUDY.label.batch_size,
        journals=lambda wildcards: control_journal(wildcards.round),
        store=STORE,
        store_code=DFT_CODE,
        code=fingerprint(*CALCULATION, "dft/labelling"),
    script:
        "../scripts/label_beside.py"


# The evidence, and the assertion that the last state is that of the configuration.
rule learn_conclude:
    input:
        state=state_of(STUDY.learn.rounds),
        choices=choices_before(STUDY.learn.rounds),
        drafts=expand(f"{OUT}/learn/{{round}}/draft.json", round=ROUNDS),
        runs=expand(f"{OUT}/learn/{{round}}/runs.json", round=ROUNDS),
        exam_runs=rules.learn_exam.output.runs,
        picks=expand(f"{OUT}/label/batches/{{batch}}.extxyz", batch=LEARNED_WAVES),
        control=control_before(STUDY.learn.rounds),
        exam=EXAM_LABELS,
    output:
        evidence=f"{OUT}/evidence/learn.json",
    log:
        f"{OUT}/logs/learn_conclude.log",
    benchmark:
        f"{OUT}/benchmarks/learn/learn_conclude.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    params:
        learn=plain(STUDY.learn),
        store=STORE,
        store_code=DFT_CODE,
        code=fingerprint("learning", "cost"),
    script:
        "../scripts/learn_conclude.py"
