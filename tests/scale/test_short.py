"""The run of ``make three-nodes``, for seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacskit.core.errors import ConfigurationError
from pacskit.testing import SeaweedFS
from tests.postgres import PostgresServer
from tests.scale.three_nodes import Plan, demonstrate

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]


def test_three_nodes_that_are_killed_lose_nothing(postgres: PostgresServer, tmp_path: Path) -> None:
    plan = Plan(instances=300, kills=2, senders=6, measured=0, sample=1, lease=5.0)
    try:
        server = SeaweedFS()
    except ConfigurationError as error:
        pytest.skip(str(error))
    with server:
        report = demonstrate(plan, tmp_path, postgres, server)
    assert report.losses == [], "\n".join(report.lines())
    assert report.acknowledged == plan.instances
    assert report.counts == [plan.instances] * plan.nodes
    assert report.compared == plan.instances
    assert report.kills >= plan.kills
    assert report.jobs == 2
