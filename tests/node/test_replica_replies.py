"""Claims about `dynakv.node.replica_replies`."""

from dynakv import limits
from dynakv.core.record import written
from dynakv.core.table import DAMAGED, Merged
from dynakv.node.messages import Loaded, Outcome
from dynakv.node.replica_replies import bounded, scattered, whole, without_value

RECORD = written(b"k", b"value", 0, 1, 1)
LARGE = written(b"l", bytes(limits.LOAD_BYTES_MAX // 2 + 1), 0, 1, 1)


def test_an_answer_is_whole_only_where_every_row_is_there_and_was_never_damaged() -> None:
    assert whole(Merged([None, RECORD], [RECORD, RECORD]))
    assert not whole(Merged([DAMAGED, None], [RECORD, RECORD]))
    assert not whole(Merged([DAMAGED], [DAMAGED]))
    assert not whole(Merged([None, None], [RECORD, None]))


def test_a_reply_is_cut_at_its_bytes_and_says_what_comes_later() -> None:
    small = Loaded(None, [RECORD, None])
    assert bounded(small) is small
    cut = bounded(Loaded(None, [LARGE, None, LARGE, RECORD]))
    assert cut.outcomes == [Outcome.OK, Outcome.OK, Outcome.LATER, Outcome.LATER]
    assert cut.records == [LARGE, None, None, None]


def test_results_return_to_the_places_of_the_records_that_were_taken() -> None:
    outcomes = [Outcome.OK, Outcome.AHEAD, Outcome.OK]
    saved = scattered(outcomes, {1: Outcome.FENCED}, [RECORD, None], previous=True)
    assert saved.outcomes == [Outcome.OK, Outcome.AHEAD, Outcome.FENCED]
    assert saved.before == [RECORD, None, None]


def test_a_record_without_its_value_keeps_all_else() -> None:
    bare = without_value(RECORD)
    assert (bare.value, bare.checksum) == (b"", RECORD.checksum)
    tombstone = written(b"k", None, 0, 1, 1)
    assert without_value(tombstone) is tombstone
