# Analyses beside the potential: how far atoms feel each other.

LOCALITY = STUDY.analysis.locality


# Force constants by DFT in a cell of any size and in the parent, which tells how far both contradict each other.
rule measure_response:
    input:
        settings=rules.choose_settings.output.settings,
    output:
        response=f"{OUT}/analysis/response.json",
    log:
        f"{OUT}/logs/measure_response.log",
    benchmark:
        f"{OUT}/benchmarks/analysis/measure_response.tsv"
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        parent=PARENT,
        supercell=list(LOCALITY.supercell),
        dft=plain(STUDY.dft),
        displacement=STUDY.sample.stiffness_displacement_ang,
        store=STORE,
        store_code=DFT_CODE,
        code=reached("measure_response"),
    script:
        "../scripts/measure_response.py"


rule study_locality:
    input:
        response=rules.measure_response.output.response,
        model=rules.export_potential.output.model,
        weights=rules.export_potential.output.weights,
        frames=rules.audit_dataset.output.frames,
        basis=rules.describe_structures.output.basis,
        crossvalidation=rules.crossvalidate_linear.output.evidence,
    output:
        evidence=f"{OUT}/evidence/locality.json",
        table=f"{OUT}/analysis/cutoffs.csv",
    log:
        f"{OUT}/logs/study_locality.log",
    benchmark:
        f"{OUT}/benchmarks/analysis/study_locality.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        parent=PARENT,
        locality=plain(LOCALITY),
        crossvalidate=plain(STUDY.crossvalidate),
        displacement=STUDY.sample.stiffness_displacement_ang,
        code=reached("study_locality"),
    script:
        "../scripts/study_locality.py"
