"""Export: the chosen potential as a folder with its calculator and model card."""

from pesforge.export.calculator import PesforgeCalculator
from pesforge.export.potential import Potential
from pesforge.export.potential_folder import load_potential, save_model, save_potential

__all__ = ["PesforgeCalculator", "Potential", "load_potential", "save_model", "save_potential"]
