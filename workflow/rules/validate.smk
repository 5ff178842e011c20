# Proof: symmetry, derivatives, and properties against the reference method at the same settings.

# Neither further crystals and cells nor what the potential does alone change anything for the parent.
REFERENCE_ONLY = {
    "hull": None,
    "defects": None,
    "dynamics": None,
    "phonon_width_ang": None,
}
WITHOUT_HULL = plain(STUDY.validate_.model_copy(update=REFERENCE_ONLY))
PROOF = [
    *(["relaxed"] if STUDY.validate_.defects is not None else []),
    *(["dynamics"] if STUDY.validate_.dynamics is not None else []),
]


rule compute_eos:
    input:
        settings=rules.choose_settings.output.settings,
    output:
        reference=f"{OUT}/validate/eos.json",
    log:
        f"{OUT}/logs/compute_eos.log",
    benchmark:
        f"{OUT}/benchmarks/validate/compute_eos.tsv"
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(240),
    params:
        parent=PARENT,
        dft=plain(STUDY.dft),
        validate=WITHOUT_HULL,
        store=STORE,
        store_code=DFT_CODE,
        code=reached("compute_eos"),
    script:
        "../scripts/compute_eos.py"


rule compute_elastic:
    input:
        settings=rules.choose_settings.output.settings,
        eos=rules.compute_eos.output.reference,
        stiffness=rules.measure_stiffness.output.stiffness,
    output:
        reference=f"{OUT}/validate/elastic.json",
    log:
        f"{OUT}/logs/compute_elastic.log",
    benchmark:
        f"{OUT}/benchmarks/validate/compute_elastic.tsv"
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(240),
    params:
        parent=PARENT,
        dft=plain(STUDY.dft),
        validate=WITHOUT_HULL,
        store=STORE,
        store_code=DFT_CODE,
        code=reached("compute_elastic"),
    script:
        "../scripts/compute_elastic.py"


rule compute_phases:
    input:
        settings=rules.choose_settings.output.settings,
    output:
        reference=f"{OUT}/validate/phases.json",
    log:
        f"{OUT}/logs/compute_phases.log",
    benchmark:
        f"{OUT}/benchmarks/validate/compute_phases.tsv"
    conda:
        "../../envs/dft.yaml"
    resources:
        mem_mb=raised(2000),
        runtime=raised(240),
    params:
        crystals=LOADED.crystals,
        dft=plain(STUDY.dft),
        volumes={
            "linear_strain_max": STUDY.validate_.eos_linear_strain_max,
            "points": STUDY.validate_.eos_points,
        },
        store=STORE,
        store_code=DFT_CODE,
        code=reached("compute_phases"),
    script:
        "../scripts/compute_phases.py"


if LOADED.phonon_cell is not None:

    rule measure_phonons:
        input:
            settings=rules.choose_settings.output.settings,
        output:
            reference=f"{OUT}/validate/phonons.json",
        log:
            f"{OUT}/logs/measure_phonons.log",
        benchmark:
            f"{OUT}/benchmarks/validate/measure_phonons.tsv"
        conda:
            "../../envs/dft.yaml"
        resources:
            mem_mb=raised(2000),
            runtime=raised(240),
        params:
            cell=LOADED.phonon_cell,
            dft=plain(STUDY.dft),
            displacement=STUDY.sample.stiffness_displacement_ang,
            store=STORE,
            store_code=DFT_CODE,
            code=reached("measure_phonons"),
        script:
            "../scripts/measure_phonons.py"


if STUDY.validate_.defects is not None:

    rule relax_defects:
        input:
            model=rules.export_potential.output.model,
            weights=rules.export_potential.output.weights,
            frames=rules.audit_dataset.output.frames,
        output:
            found=f"{OUT}/validate/relaxed.json",
        log:
            f"{OUT}/logs/relax_defects.log",
        benchmark:
            f"{OUT}/benchmarks/validate/relax_defects.tsv"
        priority: 60
        conda:
            "../../envs/pipeline.yaml"
        resources:
            mem_mb=raised(SMALL_MB),
        params:
            parent=PARENT,
            validate=alone("defects"),
            crystals=LOADED.crystals,
            surface=STUDY.sample.surface and plain(STUDY.sample.surface),
            stacking_fault=STUDY.sample.stacking_fault
            and plain(STUDY.sample.stacking_fault),
            code=reached("relax_defects"),
        script:
            "../scripts/relax_defects.py"


if STUDY.validate_.dynamics is not None:

    rule run_dynamics:
        input:
            model=rules.export_potential.output.model,
            weights=rules.export_potential.output.weights,
            labels=rules.gather_labels.output.labels,
        output:
            found=f"{OUT}/validate/dynamics.json",
        log:
            f"{OUT}/logs/run_dynamics.log",
        benchmark:
            f"{OUT}/benchmarks/validate/run_dynamics.tsv"
        priority: 60
        conda:
            "../../envs/pipeline.yaml"
        resources:
            mem_mb=raised(SMALL_MB),
        params:
            parent=PARENT,
            validate=alone("dynamics"),
            temperatures_k=dynamics_temperatures(STUDY),
            seed=STUDY.seed,
            code=reached("run_dynamics"),
        script:
            "../scripts/run_dynamics.py"


rule validate_potential:
    input:
        model=rules.export_potential.output.model,
        weights=rules.export_potential.output.weights,
        eos=rules.compute_eos.output.reference,
        elastic=rules.compute_elastic.output.reference,
        stiffness=rules.measure_stiffness.output.stiffness,
        frames=rules.audit_dataset.output.frames,
        convergence=rules.check_derivatives.output.evidence,
        held_out=rules.export_potential.output.held_out,
        phases=rules.compute_phases.output.reference if LOADED.crystals else [],
        phonons=f"{OUT}/validate/phonons.json" if LOADED.phonon_cell else [],
        labels=rules.gather_labels.output.labels,
        proof=[f"{OUT}/validate/{name}.json" for name in PROOF],
    output:
        evidence=f"{OUT}/evidence/validate.json",
    log:
        f"{OUT}/logs/validate_potential.log",
    benchmark:
        f"{OUT}/benchmarks/validate/validate_potential.tsv"
    priority: 60
    conda:
        "../../envs/pipeline.yaml"
    resources:
        mem_mb=with_design(2),
    params:
        parent=PARENT,
        validate=plain(STUDY.validate_),
        proof=PROOF,
        phonon_cell=LOADED.phonon_cell,
        crystals=LOADED.crystals,
        displacement=STUDY.sample.stiffness_displacement_ang,
        families=list(STUDY.choose.families),
        use=STUDY.choose.use,
        seed=STUDY.seed,
        code=reached("validate_potential"),
    script:
        "../scripts/validate_potential.py"
