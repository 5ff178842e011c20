"""How the tests are shared out when several workers run them."""

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = "tests/workflow/"
APART = frozenset(
    {
        "test_archive",
        "test_ensemble_plan",
        "test_families_plan",
        "test_install",
        "test_learn_plan",
        "test_locality_plan",
        "test_published",
    }
)
"""Files of the workflow's tests that need no finished study, or need it late."""


class Sharing(LoadScopeScheduling):
    """One worker begins with most tests of the workflow; the rest go one by one to who is free."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return TOGETHER if path.startswith(TOGETHER) and PurePosixPath(path).stem not in APART else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Sharing:
    """The scheduler of pytest-xdist; it begins with the largest scope."""
    return Sharing(config, log)
