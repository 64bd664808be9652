"""Claims about what clients of real nodes in Raft mode see: one copy of each key."""

from random import Random

import pytest

from dynakv.sim.linearizability import Outcome
from tests.process.harness import bounded_by
from tests.process.raft_histories import Judged, Plan, histories

pytestmark = pytest.mark.slow

FOUND_WITHIN = 10  # histories; four of five find it


@bounded_by(200)
async def test_histories_of_clients_are_linearizable() -> None:
    judged = [one async for one in histories(Plan(4, Random(1)))]
    assert [one.outcome for one in judged] == [Outcome.LINEARIZABLE] * 4, "\n".join(
        map(str, judged)
    )
    assert all(one.answered > 50 for one in judged)


@bounded_by(200)
async def test_a_leader_that_reads_without_a_quorum_is_caught() -> None:
    plan = Plan(
        FOUND_WITHIN,
        Random(2),
        troubles=["cut"],
        broken="leads_without_quorum",
        groups=1,
        leaders=1.0,
    )
    seen: list[Judged] = []
    async for judged in histories(plan):
        seen.append(judged)
        if judged.outcome is Outcome.NOT:
            break
    assert seen[-1].outcome is Outcome.NOT, "\n".join(map(str, seen))
