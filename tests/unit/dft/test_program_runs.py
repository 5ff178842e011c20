"""Programs that fail, crash, take too long or lose their parent: what is said, and that nothing of them is left."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase.build import bulk
from process_checks import alive, gone
from pseudopotential_files import SCAN

from pesforge.dft.abinit_engine import AbinitEngine
from pesforge.dft.cp2k_engine import Cp2kEngine
from pesforge.dft.engines import get_engine
from pesforge.dft.espresso_engine import EspressoEngine
from pesforge.dft.failures import CRASH, MISSING_PROGRAM, MISSING_SETUP, SCF, TIMEOUT, TOO_CLOSE, time_limit
from pesforge.dft.program_engine import run_program
from pesforge.dft.pseudopotentials import (
    reference_settings,
)
from pesforge.errors import LabelError

PERCENT = " " + 78 * "%"
RECORDED = [
    (EspressoEngine, SCF, "     convergence NOT achieved after   3 iterations: stopping\n"),
    (
        EspressoEngine,
        TOO_CLOSE,
        f"{PERCENT}\n     Error in routine check_atoms (1):\n     atoms #   1 and #   2 overlap!\n{PERCENT}\n",
    ),
    (
        EspressoEngine,
        MISSING_SETUP,
        f"{PERCENT}\n     Error in routine readpp (1):\n     file ./Si.UPF not readable\n{PERCENT}\n",
    ),
    (EspressoEngine, CRASH, f"{PERCENT}\n     Error in routine electrons (1):\n     charge is wrong\n{PERCENT}\n"),
    (EspressoEngine, None, "Warning: card &CELL ignored\n     convergence has been achieved in   9 iterations\n"),
    (
        AbinitEngine,
        SCF,
        "--- !ScfConvergenceWarning\nmessage: |\n    nstep 3 was not enough SCF cycles to converge.\n...\n"
        " Calculation completed.\n",
    ),
    (
        AbinitEngine,
        TOO_CLOSE,
        "--- !ERROR\nsrc_file: m_chkinp.F90\nsrc_line: 3752\nmpi_rank: 0\nmessage: |\n"
        "    Atoms number   1 and   2 are located at the same point of the unit cell\n"
        "    (periodic images are taken into account).\n...\n",
    ),
    (
        AbinitEngine,
        CRASH,
        "--- !BUG\nsrc_file: m_x.F90\nsrc_line: 1\nmpi_rank: 0\nmessage: |\n    Something else.\n...\n",
    ),
    (Cp2kEngine, SCF, " *** WARNING in qs_scf.F:601 :: SCF run NOT converged ***\n ENERGY| Total\n"),
    (
        Cp2kEngine,
        TOO_CLOSE,
        " WARNING| Particles:       2      1 at distance [au]:     0.00000000 less than:      0.01889726; increase\n"
        " *****\n * [ABORT]   *\n *  \\___/    GEOMETRY wrong or EMAX_SPLINE too small!  *\n",
    ),
    (
        Cp2kEngine,
        CRASH,
        f" {79 * '*'}\n *   ___  *\n *  /   \\ *\n * [ABORT]   *\n *  \\___/    Something else.   *\n {79 * '*'}\n",
    ),
    (Cp2kEngine, None, " *** WARNING in x.F:1 :: a remark ***\n *** SCF run converged in     9 steps ***\n"),
    (AbinitEngine, None, "--- !WARNING\nsrc_file: m_x.F90\nmessage: |\n    A remark.\n...\n Calculation completed.\n"),
]


@pytest.mark.parametrize(("engine", "kind", "text"), RECORDED)
def test_what_the_programs_say_tells_the_kind_of_failure(engine, kind, text):
    """Texts in the form of Quantum ESPRESSO 6.7 and ABINIT 9.6.2, shortened."""
    found = engine.failure(text)
    assert (found and found[0]) == kind


def test_structures_with_an_element_without_file(espresso, abinit):
    for dft in (espresso, abinit):
        settings = reference_settings(dft, **SCAN)
        with pytest.raises(LabelError, match="no file for Ge") as caught:
            get_engine(dft).calculate(bulk("Ge"), settings, (1, 1, 1), 1)
        assert caught.value.reason == MISSING_SETUP
        (dft.pseudopotential_folder / dft.pseudopotentials["Si"]).unlink()
        with pytest.raises(LabelError, match="cannot be read") as caught:
            get_engine(dft).calculate(bulk("Si"), settings, (1, 1, 1), 1)
        assert caught.value.reason == MISSING_SETUP


def test_a_program_that_is_not_there_is_a_failure_of_its_own_kind(espresso):
    dft = espresso.model_copy(update={"command": ("no-such-pw.x",)})
    settings = reference_settings(dft, **SCAN)
    with pytest.raises(LabelError, match=r"`dft.command`: 'no-such-pw.x' cannot be run") as caught:
        get_engine(dft).calculate(bulk("Si"), settings, (1, 1, 1), 1)
    assert caught.value.reason == MISSING_PROGRAM


def test_the_last_words_of_a_silent_program_are_its_errors(espresso):
    words = (sys.executable, "-c", "raise SystemExit('libfoo.so: cannot open shared object file')")
    engine = get_engine(espresso.model_copy(update={"command": words}))
    with pytest.raises(LabelError, match=r"exit status 1; its last words: libfoo.so: cannot open"):
        engine.calculate(bulk("Si"), reference_settings(espresso, **SCAN), (1, 1, 1), 1)


def test_a_program_that_crashes_leaves_its_last_words_and_no_folder(espresso, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    words = (sys.executable, "-c", "print('unhappy with this'); print(12); raise SystemExit(3)")
    engine = get_engine(espresso.model_copy(update={"command": words}))
    with pytest.raises(LabelError, match="exit status 3; its last words: unhappy with this") as caught:
        engine.calculate(bulk("Si"), reference_settings(espresso, **SCAN), (1, 1, 1), 1)
    assert caught.value.reason == CRASH
    assert list((tmp_path / "scratch").iterdir()) == []


def pids(folder: Path, count: int) -> list[int]:
    """Process numbers that a program wrote into its folder."""
    for _ in range(1500):
        words = (folder / "pids").read_text().split() if (folder / "pids").is_file() else []
        if len(words) == count:
            return [int(word) for word in words]
        time.sleep(0.02)
    raise AssertionError("the program did not start")


FORKING = ("sh", "-c", "sleep 60 & echo $$ $! > pids; wait")


def test_a_time_limit_ends_the_program_and_its_children(tmp_path):
    with pytest.raises(LabelError) as caught, time_limit(0.5):
        run_program(FORKING, tmp_path, tmp_path / "out", tmp_path / "err")
    assert caught.value.reason == TIMEOUT
    assert all(gone(pid) for pid in pids(tmp_path, 2))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's signal at the parent's death")
def test_a_program_does_not_outlive_a_killed_job(tmp_path):
    code = (
        "import sys; from pathlib import Path; from pesforge.dft.program_engine import run_program\n"
        "at = Path(sys.argv[1]); run_program(('sh', '-c', 'echo $$ > pids; exec sleep 60'), at, at / 'o', at / 'e')"
    )
    job = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    (pid,) = pids(tmp_path, 1)
    assert alive(pid)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert gone(pid)


def test_programs_see_the_environment_and_no_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS'], os.environ['TMPDIR'], sys.argv[1])"
    run_program((sys.executable, "-c", code, "$HOME; `id`"), tmp_path, tmp_path / "out", tmp_path / "err")
    assert (tmp_path / "out").read_text() == f"3 {tmp_path} $HOME; `id`\n"
