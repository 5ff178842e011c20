# A published table again: labels from the network or from files, one fit per element, errors beside the published ones.


rule fetch_labels:
    output:
        labels=f"{OUT}/fetch/{{element}}_{{split}}.json",
    log:
        f"{OUT}/logs/fetch_labels/{{element}}_{{split}}.log",
    benchmark:
        f"{OUT}/benchmarks/published/fetch_labels.{{element}}_{{split}}.tsv"
    localrule: True
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        url=lambda wildcards: url_of(PUBLISHED, wildcards.element, wildcards.split),
        sha256=lambda wildcards: PUBLISHED.sha256.get(
            f"{wildcards.element}_{wildcards.split}"
        ),
        record=f"{OUT}/store/{{element}}_{{split}}.sha256",
        code=reached("fetch_labels"),
    script:
        "../scripts/fetch_labels.py"


rule prepare_labels:
    input:
        unpack(lambda wildcards: label_files(wildcards.element)),
    output:
        training=f"{OUT}/labels/{{element}}_training.extxyz",
        test=f"{OUT}/labels/{{element}}_test.extxyz",
        about=f"{OUT}/labels/{{element}}.json",
    log:
        f"{OUT}/logs/prepare_labels/{{element}}.log",
    benchmark:
        f"{OUT}/benchmarks/published/prepare_labels.{{element}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        sha256=plain(PUBLISHED)["sha256"],
        code=reached("prepare_labels"),
    script:
        "../scripts/prepare_labels.py"


rule fit_element:
    input:
        training=f"{OUT}/labels/{{element}}_training.extxyz",
        test=f"{OUT}/labels/{{element}}_test.extxyz",
    output:
        fit=directory(f"{OUT}/fit/{{element}}"),
        cost=f"{OUT}/cost/{{element}}.json",
    log:
        f"{OUT}/logs/fit_element/{{element}}.log",
    benchmark:
        f"{OUT}/benchmarks/published/fit_element.{{element}}.tsv"
    conda:
        "../../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=raised(4000),
        runtime=raised(120),
    params:
        fit={"functions": STUDY.functions, "model": STUDY.model},
        code=reached("fit_element"),
    script:
        "../scripts/fit_element.py"


rule compare_published:
    input:
        fits=expand(rules.fit_element.output.fit, element=ELEMENTS),
        costs=expand(rules.fit_element.output.cost, element=ELEMENTS),
        labels=expand(rules.prepare_labels.output.about, element=ELEMENTS),
    output:
        evidence=f"{OUT}/evidence/published.json",
        cost=f"{OUT}/evidence/cost.json",
        provenance=f"{OUT}/evidence/provenance.json",
        table=f"{OUT}/report/table.csv",
    log:
        f"{OUT}/logs/compare_published.log",
    benchmark:
        f"{OUT}/benchmarks/published/compare_published.tsv"
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        study=plain(STUDY),
        code=reached("compare_published"),
        package=code_of_package(),
    script:
        "../scripts/compare_published.py"


rule render_published:
    input:
        published=rules.compare_published.output.evidence,
        cost=rules.compare_published.output.cost,
        provenance=rules.compare_published.output.provenance,
    output:
        page=f"{OUT}/report/index.html",
    log:
        f"{OUT}/logs/render_published.log",
    benchmark:
        f"{OUT}/benchmarks/published/render_published.tsv"
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        code=reached("render_published"),
    script:
        "../scripts/render_published.py"
