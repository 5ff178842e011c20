"""Copper heated through a potential that starts without any label and asks its reference where it does not know."""

from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin

from pesforge.fitting import Learner

atoms = bulk("Cu", cubic=True) * (2, 2, 2)
atoms.calc = Learner(EMT(), "labels.extxyz")  # GPAW(…) or any other calculator takes the place of EMT().
run = Langevin(atoms, 3 * units.fs, temperature_K=100, friction=0.02 / units.fs, fixcm=False)
run.attach(lambda: run.set_temperature(temperature_K=100 + 4 * run.nsteps))
run.run(200)
atoms.calc.save("potential")
