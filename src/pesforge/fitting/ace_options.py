"""Options of the linear potential on ACE invariants."""

from pydantic import Field

from pesforge.settings import Section


class AceOptions(Section):
    """Options of a linear potential on ACE invariants."""

    zbl: bool = Field(
        False, description="screened repulsion of nuclei (ZBL) below the shortest distance of the training data"
    )
