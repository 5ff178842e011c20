"""A SLURM cluster of one node on this machine: slurmctld and slurmd of the system, without accounting."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
CONFIGURATION = """\
ClusterName=pesforge
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={first}
SlurmdPort={second}
SlurmUser={user}
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=300
KillWait=2
SlurmdTimeout=30
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
PATIENCE_S = 60
PLACES = (Path("/etc/slurm/slurm.conf"), Path("/run/slurm/conf"))
"""Where the commands of SLURM look for a cluster; within a job nothing else leads them to it."""


def missing() -> list[str]:
    """Programs of SLURM that are not installed, and the right to start its daemons."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if os.geteuid():
        lacking.append("the rights of root")
    if any(os.path.lexists(place) for place in PLACES):
        lacking.append("a machine without a cluster of its own")
    return lacking


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `environment` leads the commands of SLURM to it."""

    folder: Path
    host: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables for every command."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def command(self, *words: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()

    def jobs(self, states: str = "RUNNING,PENDING") -> list[str]:
        """Numbers of the jobs in some states, and how each is called."""
        return self.command("squeue", "--noheader", f"--states={states}", "--format=%A").split()

    def node_state(self) -> str:
        """State of the node, such as `idle`."""
        return self.command("sinfo", "--noheader", "--format=%T").split("*")[0]

    def take_node_down(self) -> None:
        """Declare the node lost."""
        self.command("scontrol", "update", f"nodename={self.host}", "state=down", "reason=test")

    def bring_node_back(self) -> None:
        """Give the node back once the cluster has finished with its jobs; it refuses until then."""
        deadline = time.monotonic() + PATIENCE_S
        while self.node_state() == "down" and time.monotonic() < deadline:
            with suppress(subprocess.CalledProcessError):
                self.command("scontrol", "update", f"nodename={self.host}", "state=resume")
            time.sleep(0.5)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait for the node."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if self.node_state() in ("idle", "mixed", "allocated"):
                    return
            except subprocess.CalledProcessError:
                pass
            time.sleep(0.3)
        raise RuntimeError(f"no node after {PATIENCE_S} s: {(self.folder / 'slurmctld.log').read_text()[-2000:]}")

    def start_daemon(self, name: str) -> subprocess.Popen[bytes]:
        """Start one of the two daemons, in the foreground."""
        return subprocess.Popen(
            [shutil.which(name) or name, "-D"],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that lives as long as the block."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host, ports = socket.gethostname(), (_free_port(), _free_port())
    text = CONFIGURATION.format(host=host, first=ports[0], second=ports[1], user="root", folder=folder)
    (folder / "slurm.conf").write_text(text)
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    made, place = Cluster(folder, host), PLACES[1]
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(folder, target_is_directory=True)
    daemons = [made.start_daemon("slurmctld"), made.start_daemon("slurmd")]
    try:
        made.wait_until_up()
        yield made
    finally:
        for number in made.jobs():
            subprocess.run(["scancel", "--signal=KILL", number], env={**os.environ, **made.environment}, check=False)
        time.sleep(1)
        place.unlink()
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
