"""Evidence of defects, phonons and dynamics that the report needs: which keys, and which of them may be null."""

from typing import Any

from pesforge.report.schema import ANY, OrNull

ROW = dict.fromkeys(("name", "family", "geometry", "atoms", "unit", "potential", "force_potential_ev_per_ang", "note"))
DEFECTS: dict[str, Any] = {
    "rows": [{**ROW, **dict.fromkeys(("dft", "mesh_error", "force_dft_ev_per_ang"))}],
    "lines": [dict.fromkeys(("name", "shares", "dft_mj_per_m2", "potential_mj_per_m2", "atoms"))],
    "relaxed": OrNull(
        {
            "why": ANY,
            "rows": [{**ROW, **dict.fromkeys(("unrelaxed", "moved_ang"))}],
            "lines": [dict.fromkeys(("name", "shares", "unrelaxed_mj_per_m2", "potential_mj_per_m2", "atoms", "note"))],
        }
    ),
}
SPECTRUM: dict[str, Any] = {
    **dict.fromkeys(("ticks", "place", "frequency_thz", "lowest_thz")),
    "sides": dict.fromkeys(("dft", "potential", "large")),
    "atoms": dict.fromkeys(("compared", "large")),
}
DYNAMICS: dict[str, Any] = {
    "why": ANY,
    "energy": [
        dict.fromkeys(
            (
                *("temperature_k", "observed_k", "asked_ps", "reached_ps", "drift_mev_per_atom_per_ps"),
                *("fluctuation_mev_per_atom", "failure", "times_ps", "change_mev_per_atom", "rdf"),
            )
        )
    ],
}
"""Of a potential without a minimum nothing more is there; otherwise `density`, `expansion`, `melt`, `references`."""
