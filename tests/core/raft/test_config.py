"""Knobs that cannot work together are refused."""

import pytest

from dynakv.core.raft.config import Config
from dynakv.core.raft.messages import APPEND_THREAD
from tests.core.raft.group import ids

(ONE,) = ids(1)


@pytest.mark.parametrize(
    "knobs",
    [
        {"member_id": 0},
        {"member_id": APPEND_THREAD},
        {"election_ticks": 1},
        {"heartbeat_ticks": 0},
        {"inflight_messages_max": 0},
        {"read_leases": True, "check_quorum": False},
    ],
)
def test_what_cannot_work_is_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        Config(**{"member_id": ONE, **knobs})  # type: ignore[arg-type]
