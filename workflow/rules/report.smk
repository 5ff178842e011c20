# Provenance, cost and the report.


rule gather_provenance:
    input:
        settings=rules.choose_settings.output.settings,
        evidence=[
            path
            for path in EVIDENCE
            if not path.endswith(("provenance.json", "cost.json"))
        ],
        card=rules.export_potential.output.card,
    output:
        provenance=f"{OUT}/evidence/provenance.json",
        cost=f"{OUT}/evidence/cost.json",
    log:
        f"{OUT}/logs/gather_provenance.log",
    benchmark:
        f"{OUT}/benchmarks/report/gather_provenance.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        study=plain(STUDY),
        benchmarks=f"{OUT}/benchmarks",
        store=STORE,
        store_code=DFT_CODE,
        moving_store=MOVING_STORE,
        code=reached("gather_provenance"),
        package=code_of_package(),
        formula=from_plain(PARENT).get_chemical_formula(),
    script:
        "../scripts/gather_provenance.py"


rule render_report:
    input:
        evidence=EVIDENCE,
        model=rules.export_potential.output.model,
    output:
        card=f"{OUT}/report/card.json",
        page=report(
            f"{OUT}/report/index.html",
            caption="../report/index.rst",
            category="Report",
        ),
    log:
        f"{OUT}/logs/render_report.log",
    benchmark:
        f"{OUT}/benchmarks/report/render_report.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        code=reached("render_report"),
    script:
        "../scripts/render_report.py"
