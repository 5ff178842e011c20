# What the rules of the rounds share: files of all rounds before one, settings and code.


def labels_before(number):
    """Batches of labels that the fits of a round see: both waves, and the picks of the rounds before it."""
    learned = [batch for earlier in range(int(number)) for batch in PICKED[earlier]]
    names = [*FIRST_WAVE, *SECOND_WAVE, *learned]
    return expand(f"{OUT}/label/batches/{{batch}}.extxyz", batch=names)


def state_of(number):
    """What the exam before a round found."""
    return f"{OUT}/learn/{number}/state.json"


def earlier_state(number):
    """The state before the round before; nothing before the first round."""
    return state_of(int(number) - 1) if int(number) else []


def sittings(number):
    """What the runs of the exam gave, of all drafts before or in a round; the last exam has no draft of its own."""
    return expand(
        f"{OUT}/learn/{{round}}/exam/runs.json",
        round=[earlier for earlier in ROUNDS if earlier <= int(number)],
    )


def exam_before(number):
    """Batches of labels of the exam, of all drafts before or in a round."""
    return expand(
        f"{OUT}/learn/{{round}}/exam/batches/{{batch}}.extxyz",
        round=[earlier for earlier in ROUNDS if earlier <= int(number)],
        batch=numbered(0, STUDY.learn.test),
    )


def beside(number, suffix):
    """Batches of the control of a round that are no picks."""
    return expand(
        f"{OUT}/learn/{number}/control/{{batch}}.{suffix}",
        batch=numbered(0, STUDY.learn.per_round * STUDY.learn.controls),
    )


def control_before(number):
    """Batches of the control of all rounds before a round."""
    return [
        path for earlier in range(int(number)) for path in beside(earlier, "extxyz")
    ]


def choices_before(number):
    """What each round before a round chose."""
    return expand(f"{OUT}/learn/{{round}}/choice.json", round=range(int(number)))


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
