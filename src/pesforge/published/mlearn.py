"""The set `mlearn`: where its files are, how its stress labels are to be read, and the errors that were published."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TITLE = "mlearn"
CITATION = "Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020)"
LICENCE = "BSD-3-Clause"
REPOSITORY = "https://github.com/materialsvirtuallab/mlearn"
COMMIT = "a04d3b6ecaac47c27aa8f7e452c16a5c9a2a8cff"
"""A commit of git names its content: these files cannot change behind their address."""
BASE_URL = f"https://raw.githubusercontent.com/materialsvirtuallab/mlearn/{COMMIT}/data"
ELEMENTS = ("Cu", "Ni", "Li", "Mo", "Si", "Ge")

KILOBAR_PER_EV_ANG3 = 1602.1766208
"""1 eV/Å³ in kbar."""
_XZ_FIRST = ("xx", "yy", "zz", "xy", "xz", "yz")
_YZ_FIRST = ("xx", "yy", "zz", "xy", "yz", "xz")
STRESS_ORDER: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType(
    {
        ("Mo", "AIMD"): _XZ_FIRST,
        ("Mo", "Vacancy"): _XZ_FIRST,
        ("Mo", "Elastic"): _XZ_FIRST,
        ("Si", "AIMD"): _XZ_FIRST,
        ("Si", "Vacancy"): _XZ_FIRST,
        ("Si", "Elastic"): _YZ_FIRST,
        ("Ge", "AIMD"): _XZ_FIRST,
        ("Ge", "Vacancy"): _XZ_FIRST,
        ("Ge", "Elastic"): _YZ_FIRST,
        ("Li", "AIMD"): _YZ_FIRST,
        ("Li", "Vacancy"): _YZ_FIRST,
        ("Li", "Elastic"): _YZ_FIRST,
    }
)
"""Order of the components of `virial_stress` (kbar, positive under compression) by element and family.

The files do not state it, and it is not the same everywhere. It stands here where it was found by comparing the labels
with the change of the energies of the same files under strain; all other stress labels are left out.
"""
STRESS_REMARKS: Mapping[str, str] = MappingProxyType(
    {
        "Cu": "left out: 2.7 GPa off against the energies of the same files",
        "Ni": "left out: 2.7 GPa off against the energies of the same files",
    }
)
"""Why an element has no usable stress labels at all."""
STRESS_REMARK = "used where the order of the components was verified; surfaces are left out"


def stress_order(element: str, group: str) -> tuple[str, ...] | None:
    """Names of the six components of a stress label in the order of the file; None: not known, leave the label out.

    Args:
        element: chemical symbol.
        group: label `group` of the structure; all runs of molecular dynamics (`AIMD-NVT`, …) are alike.
    """
    return STRESS_ORDER.get((element, "AIMD" if group.startswith("AIMD") else group))


@dataclass(frozen=True)
class PublishedErrors:
    """Errors of one potential on the test structures, as texts, because their digits count.

    Args:
        potential: its name.
        source: where the numbers come from.
        values: MAE of the energy (meV/atom) and of the forces (eV/Å) by element.
    """

    potential: str
    source: str
    values: Mapping[str, tuple[str, str]]


_QUOTED = "published; as quoted in the example zuobench of ACEpotentials.jl"
_SHIPPED = "potential file that comes with the set, run again on its test structures"
PUBLISHED = (
    PublishedErrors(
        "GAP",
        _QUOTED,
        {
            "Cu": ("0.46", "0.01"),
            "Ni": ("0.42", "0.02"),
            "Li": ("0.49", "0.01"),
            "Mo": ("2.24", "0.09"),
            "Si": ("2.91", "0.07"),
            "Ge": ("2.06", "0.05"),
        },
    ),
    PublishedErrors(
        "MTP",
        _QUOTED,
        {
            "Cu": ("0.41", "0.01"),
            "Ni": ("0.48", "0.01"),
            "Li": ("0.49", "0.01"),
            "Mo": ("2.83", "0.09"),
            "Si": ("2.21", "0.06"),
            "Ge": ("1.79", "0.05"),
        },
    ),
    PublishedErrors(
        "qSNAP",
        _SHIPPED,
        {
            "Cu": ("0.56", "0.024"),
            "Ni": ("0.78", "0.031"),
            "Li": ("0.73", "0.033"),
            "Mo": ("2.77", "0.184"),
            "Si": ("3.81", "0.116"),
            "Ge": ("6.45", "0.133"),
        },
    ),
    PublishedErrors(
        "SNAP",
        _SHIPPED,
        {
            "Cu": ("0.53", "0.037"),
            "Ni": ("0.78", "0.038"),
            "Li": ("1.03", "0.028"),
            "Mo": ("5.48", "0.207"),
            "Si": ("6.44", "0.133"),
            "Ge": ("6.59", "0.188"),
        },
    ),
)
