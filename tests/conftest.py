"""How the tests are shared out when several workers run them."""

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = "tests/workflow/"


class Sharing(LoadScopeScheduling):
    """One worker begins with all tests of the workflow, which share a study; the rest go one by one to who is free."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Sharing:
    """The scheduler of pytest-xdist; it begins with the largest scope."""
    return Sharing(config, log)
