"""Clusters for the fault tests, and the judge that looks at what is left of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import Cluster

MakeCluster = Callable[..., Cluster]


@pytest.fixture
def make_cluster(home: Path) -> Iterator[MakeCluster]:
    """Make a cluster with settings of one's own; its processes end with the test."""
    with ExitStack() as stack:

        def make(**chosen: Any) -> Cluster:
            return stack.enter_context(Cluster(home, **chosen))

        yield make


@pytest.fixture
def cluster(make_cluster: MakeCluster) -> Cluster:
    """Redis, SQLite and a repository; the test starts the processes it needs."""
    return make_cluster()
