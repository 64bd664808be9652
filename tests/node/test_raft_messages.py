"""Claims about `dynakv.node.raft_messages`: what a door may rest on before it asks."""

from dynakv.core.commands import Increment, Put
from dynakv.node.messages import entries_in
from dynakv.node.raft_messages import NOTHING_DONE_VERDICTS, Execute, Verdict


def test_an_entry_is_a_batch_however_many_operations_it_has() -> None:
    batch = (Put(b"k", b"v"), Increment(b"n", 1))
    assert entries_in(Execute("r", [batch, batch])) == 2
    assert entries_in(Execute("r", [])) == 1  # refused as one


def test_a_lost_command_is_not_one_of_which_nothing_was_done() -> None:
    assert Verdict.LOST not in NOTHING_DONE_VERDICTS
    assert Verdict.DONE not in NOTHING_DONE_VERDICTS
