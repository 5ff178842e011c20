# Numerical convergence of the reference method: one settings file for every label.


rule scan_parameter:
    output:
        scan=f"{OUT}/converge/{{parameter}}.json",
        curve=f"{OUT}/converge/{{parameter}}.csv",
    log:
        f"{OUT}/logs/scan_parameter.{{parameter}}.log",
    benchmark:
        f"{OUT}/benchmarks/converge/scan_parameter.{{parameter}}.tsv"
    priority: 100
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(240),
    params:
        parent=PARENT,
        dft=plain(STUDY.dft),
        pseudopotentials=PSEUDOPOTENTIALS,
        converge=plain(STUDY.converge),
        shapes=lambda wildcards: SHAPES if "k_spacing" in wildcards.parameter else {},
        store=STORE,
        store_code=DFT_CODE,
        code=reached("scan_parameter"),
    script:
        "../scripts/scan_parameter.py"


rule choose_settings:
    input:
        scans=expand(
            f"{OUT}/converge/{{parameter}}.json", parameter=scanned_parameters(STUDY)
        ),
    output:
        settings=f"{OUT}/converge/settings.json",
    log:
        f"{OUT}/logs/choose_settings.log",
    benchmark:
        f"{OUT}/benchmarks/converge/choose_settings.tsv"
    priority: 100
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=raised(SMALL_MB),
    params:
        dft=plain(STUDY.dft),
        pseudopotentials=PSEUDOPOTENTIALS,
        code=reached("choose_settings"),
    script:
        "../scripts/choose_settings.py"


rule check_derivatives:
    input:
        settings=rules.choose_settings.output.settings,
        scans=rules.choose_settings.input.scans,
    output:
        evidence=f"{OUT}/evidence/converge.json",
    log:
        f"{OUT}/logs/check_derivatives.log",
    benchmark:
        f"{OUT}/benchmarks/converge/check_derivatives.tsv"
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(240),
    params:
        parent=PARENT,
        dft=plain(STUDY.dft),
        converge=plain(STUDY.converge),
        tolerances=plain(STUDY.validate_.tolerances),
        store=STORE,
        store_code=DFT_CODE,
        code=reached("check_derivatives"),
    script:
        "../scripts/check_derivatives.py"
