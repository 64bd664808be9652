"""Claims about `dynakv.sim.raft_checks`: states of equal rows are equal, whatever generation."""

from dynakv.core.raft_rows import data_keyspace, number_key, session_keyspace
from dynakv.sim.raft_checks import hash_of


def test_a_row_counts_the_same_in_either_generation_and_never_as_a_session() -> None:
    name = number_key(77)
    data = {hash_of(data_keyspace(5, g), 5, name) for g in (0, 1)}
    sessions = {hash_of(session_keyspace(5, g), 5, name) for g in (0, 1)}
    assert len(data) == len(sessions) == 1
    assert data != sessions
