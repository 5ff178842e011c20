"""Changing one thing reruns only what depends on it."""

import re
import shutil

import pytest

from pesforge.study_file import read_yaml

pytestmark = pytest.mark.slow
DFT = {
    "scan_parameter",
    "measure_stiffness",
    "label_batch",
    "check_derivatives",
    "compute_eos",
    "compute_elastic",
    "compute_phases",
}
PROOF = {"relax_defects", "run_dynamics", "validate_potential"}
BELOW_TRAINING = {
    "choose_potential",
    "export_potential",
    "map_structures",
    *PROOF,
    "gather_provenance",
    "render_report",
}
TINY = "config/tiny.yaml"


def planned(clone) -> dict[str, int]:
    """Jobs of a dry run: rule → number."""
    output = clone.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows if name not in {"total", "all"}}


def test_a_finished_study_does_nothing(beside):
    assert planned(beside) == {}


def test_a_fresh_clone_beside_existing_results_computes_nothing(beside):
    shutil.rmtree(beside.root / ".snakemake")
    assert planned(beside) == {}


def test_comments_profiles_and_captions_rerun_no_science(beside):
    beside.edit(TINY, "name: tiny", "# a remark\nname: tiny")
    beside.edit("src/pesforge/dft/gpaw_engine.py", "\nimport ", "\n# a remark\nimport ")
    beside.edit("workflow/rules/label.smk", "# Reference calculations", "# All reference calculations")
    beside.edit("profiles/default/config.yaml", "cores: all", "cores: 1")
    (beside.root / "workflow/report/index.rst").write_text("Another caption.\n")
    assert planned(beside) == {}


def test_the_text_of_a_figure_reruns_the_report_alone(beside):
    path = beside.root / "src/pesforge/report/figures.py"
    path.write_text(path.read_text() + "\nANOTHER_CAPTION = 'text'\n")
    assert set(planned(beside)) <= {"render_report", "gather_provenance"}


def test_the_learning_rate_reruns_training_and_what_is_below(beside):
    beside.edit(TINY, "overrides: [", "overrides: [optimizer.learning_rate=0.0123, ")
    assert set(planned(beside)) == {"train_run"} | BELOW_TRAINING


def test_the_code_of_the_model_reruns_its_runs(beside):
    path = beside.root / "src/pesforge/training/network.py"
    path.write_text(path.read_text() + "\nUNUSED = 1\n")
    assert set(planned(beside)) == {"train_run"} | BELOW_TRAINING


def test_a_new_force_weight_runs_only_the_new_points(beside):
    before = read_yaml(beside.root / TINY)[0]["train"]["sweep"]
    size = len(before["w_energy"]) * len(before["w_stress"]) * len(before["lambda_m"]) * before["seeds"]
    beside.edit(TINY, "w_force: [1.0]", "w_force: [1.0, 3.0]")
    jobs = planned(beside)
    assert jobs["train_run"] == size
    assert set(jobs) == {"train_run"} | BELOW_TRAINING


def test_two_swapped_weights_rerun_the_runs_that_they_touch(beside):
    before = read_yaml(beside.root / TINY)[0]["train"]["sweep"]
    beside.edit(TINY, "w_force: [1.0]", f"w_force: [{before['w_energy'][0]}]")
    beside.edit(TINY, f"w_energy: {before['w_energy']}", "w_energy: [1.0]")
    assert planned(beside)["train_run"] > 0


def test_the_grid_of_alpha_weighs_the_families_again_and_labels_nothing(beside):
    first = read_yaml(beside.root / TINY)[0]["crossvalidate"]["alphas"][0]
    beside.edit(TINY, f"alphas: [{first}", f"alphas: [{2 * first}")
    jobs = set(planned(beside))
    assert {"crossvalidate_linear", "weigh_families"} <= jobs
    assert not jobs & DFT


def test_the_cutoff_grid_reruns_labels_and_what_is_below(beside):
    first = read_yaml(beside.root / TINY)[0]["converge"]["cutoff_ev"][0]
    beside.edit(TINY, f"cutoff_ev: [{first}", f"cutoff_ev: [{first + 5}")
    assert DFT | {"train_run"} | BELOW_TRAINING <= set(planned(beside))


def test_another_crystal_of_the_hull_reruns_the_phases_and_the_proof(beside):
    beside.edit(TINY, "lattice_constant_ang: 2.56", "lattice_constant_ang: 2.57")
    below = {"relax_defects", "weigh_families", "validate_potential", "gather_provenance", "render_report"}
    assert set(planned(beside)) == {"compute_phases"} | below


def test_a_driven_family_computes_no_finished_label_again(beside):
    beside.edit(TINY, "sample:\n", "sample:\n  md: {supercell: [1, 1, 1], temperatures_k: [300.0], count: 3}\n")
    jobs = planned(beside)
    assert (jobs["fit_draft"], jobs["sample_driven"], jobs["gather_driven"]) == (1, 1, 1)
    assert jobs["label_batch"] == 1, "the three new structures"
    untouched = {
        "scan_parameter",
        "measure_stiffness",
        "sample_family",
        "gather_pool",
        "compute_eos",
        "compute_elastic",
    }
    assert not set(jobs) & untouched
    assert {"gather_labels", "filter_labels", "render_report"} <= set(jobs)


def test_the_temperature_reruns_no_convergence(beside):
    first = read_yaml(beside.root / TINY)[0]["sample"]["thermal"]["temperatures_k"][0]
    beside.edit(TINY, f"temperatures_k: [{first}", f"temperatures_k: [{first + 11}")
    jobs = set(planned(beside))
    assert "label_batch" in jobs
    assert not jobs & {
        "scan_parameter",
        "choose_settings",
        "measure_stiffness",
        "compute_eos",
        "compute_elastic",
        "compute_phases",
    }


def test_a_family_with_cells_of_its_own_reruns_the_scan_of_k_points_alone(beside):
    beside.edit(TINY, "  volume: {count: 3", "  vacancy: {supercell: [1, 1, 2], count: 1}\n  volume: {count: 3")
    assert planned(beside)["scan_parameter"] == 1
