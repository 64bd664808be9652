"""Frames between nodes."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynakv.core.record import Record, with_expiry, with_value, written
from dynakv.errors import PeerError
from dynakv.node.messages import (
    FRAME_VERSION,
    Beat,
    Beaten,
    Failed,
    Header,
    Load,
    Loaded,
    Outcome,
    PeerMessage,
    PeerReply,
    Reason,
    Save,
    Saved,
    Scan,
    Scanned,
)
from dynakv.node.repair_messages import (
    Compare,
    Compared,
    Fence,
    Fenced,
    FloorRaised,
    LeavesScanned,
    Likeness,
    RaiseFloor,
    ScanLeaves,
)
from dynakv.rpc import codec
from dynakv.v1 import node_internal_pb2 as pb

MAX = (1 << 64) - 1
HEADER = Header(FRAME_VERSION, "n1", MAX, 7, 8, 9, 10)

uint64s = st.integers(0, MAX)
uint32s = st.integers(0, (1 << 32) - 1)
keys_or_none = st.none() | st.binary(max_size=9)
values = st.none() | st.binary(max_size=20)
records = st.builds(
    Record, st.binary(max_size=20), values, uint64s, uint64s, uint64s, uint64s, uint64s, uint64s
) | st.builds(written, st.binary(max_size=20), values, st.just(0), uint64s, uint64s)
record_lists = st.lists(records, max_size=8)
rows = st.lists(st.none() | records, max_size=8)
outcomes = st.none() | st.lists(st.sampled_from(Outcome), min_size=1, max_size=8)
floors = st.lists(uint64s, max_size=8).map(lambda column: column or None)


def or_none(column: list[int]) -> list[int] | None:
    """Return a column as it travels: an empty one is none."""
    return column or None


compares = st.lists(st.tuples(uint32s, uint64s)).flatmap(
    lambda pairs: st.builds(
        Compare,
        *(uint64s, uint64s, st.just([g for g, _ in pairs]), st.just([r for _, r in pairs])),
    )
)
messages = st.one_of(
    record_lists.flatmap(
        lambda saved: st.builds(
            Save,
            *(uint64s, uint64s, st.just(saved), st.booleans(), st.booleans()),
            st.none() | st.lists(uint64s, min_size=len(saved), max_size=len(saved)).map(or_none),
        )
    ),
    compares,
    st.builds(
        ScanLeaves,
        *(uint64s, uint64s, uint32s, st.lists(uint32s), keys_or_none, uint32s),
    ),
    st.builds(Fence, uint64s, uint64s, st.lists(uint32s), uint64s),
    st.builds(RaiseFloor, uint64s, uint64s, st.lists(uint32s), uint64s),
    st.builds(Load, uint64s, uint64s, st.lists(st.binary(max_size=20), max_size=8)),
    st.builds(
        Scan,
        *(uint64s, uint64s, st.lists(uint32s), st.binary(max_size=9)),
        *(keys_or_none, keys_or_none, uint32s, st.booleans()),
    ),
    st.builds(Beat, uint64s, uint64s, uint64s, st.text(max_size=9)),
)
replies = st.one_of(
    st.builds(Saved, outcomes, st.none() | rows),
    rows.flatmap(
        lambda loaded: st.builds(
            Loaded,
            *(outcomes, st.just(loaded)),
            st.none() | st.lists(uint64s, min_size=len(loaded), max_size=len(loaded)).map(or_none),
        )
    ),
    st.builds(Scanned, record_lists, keys_or_none, floors),
    st.builds(Compared, st.lists(st.sampled_from(Likeness)), st.lists(uint64s), st.lists(uint64s)),
    st.builds(LeavesScanned, record_lists, keys_or_none, uint64s),
    st.builds(Fenced, st.lists(st.booleans())),
    st.builds(FloorRaised, st.lists(st.booleans())),
    st.builds(Beaten, uint64s, uint64s, uint64s, st.text(max_size=9)),
    st.builds(Failed, st.sampled_from(Reason)),
)


def save(*records: Record) -> bytes:
    return codec.frame(HEADER, [codec.ask_part(1, 2, Save(3, 4, list(records)))])


def damaged_save(**columns: list[object]) -> bytes:
    """Return a frame with a Save of two records whose named columns are replaced."""
    raw = save(written(b"a", b"1", 5, 6, 7), with_value(b"b", b"2", 8, 9))
    whole = pb.Frame.FromString(raw)
    for name, column in columns.items():
        whole.asks[0].save.records.ClearField(name)
        getattr(whole.asks[0].save.records, name).extend(column)
    return whole.SerializeToString()


@given(st.lists(st.tuples(uint64s, messages), max_size=4), st.lists(st.tuples(uint64s, replies)))
@settings(max_examples=200, deadline=None)
def test_what_a_frame_says_survives_the_wire(
    asks: list[tuple[int, PeerMessage]], answers: list[tuple[int, PeerReply]]
) -> None:
    parts = [codec.ask_part(call, 5, message) for call, message in asks]
    parts += [codec.reply_part(call, reply) for call, reply in answers]
    assert codec.decode_frame(codec.frame(HEADER, parts)) == codec.Frame(
        HEADER, asks, answers, [5] * len(asks)
    )


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_a_frame_or_a_peer_error(raw: bytes) -> None:
    with contextlib.suppress(PeerError):
        codec.decode_frame(raw)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_frame_with_flipped_bytes_is_a_frame_or_a_peer_error(data: st.DataObject) -> None:
    raw = bytearray(codec.frame(HEADER, [codec.ask_part(1, 2, data.draw(messages))]))
    raw += codec.frame(HEADER, [codec.reply_part(1, data.draw(replies))])
    for _ in range(3):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PeerError):
        codec.decode_frame(bytes(raw))


def test_an_empty_value_is_not_a_tombstone() -> None:
    sent = [written(b"a", b"", 0, 1, 2), written(b"b", None, 0, 3, 4)]
    ((_, message),) = codec.decode_frame(save(*sent)).asks
    assert isinstance(message, Save)
    assert [record.value for record in message.records] == [b"", None]


def test_expiry_columns_are_left_out_where_they_say_nothing() -> None:
    columns = pb.Frame.FromString(save(written(b"a", b"1", 0, 6, 7))).asks[0].save.records
    assert not columns.expiries_ms
    assert not columns.expiry_times
    assert not columns.expiry_writers


def test_expiry_stamps_are_left_out_where_they_equal_the_values() -> None:
    columns = pb.Frame.FromString(save(written(b"a", b"1", 99, 6, 7))).asks[0].save.records
    assert columns.expiries_ms == [99]
    assert not columns.expiry_times
    assert not columns.expiry_writers


def test_one_differing_expiry_stamp_brings_its_whole_columns() -> None:
    sent = [written(b"a", b"1", 99, 6, 7), with_expiry(b"b", 5, 8, 9)]
    columns = pb.Frame.FromString(save(*sent)).asks[0].save.records
    assert columns.expiry_times == [6, 8]
    assert columns.expiry_writers == [7, 9]


COLUMNS = (
    *("values", "value_times", "value_writers", "checksums"),
    *("expiries_ms", "expiry_times", "expiry_writers"),
)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("count", [1, 3])
def test_a_column_of_another_length_is_refused(name: str, count: int) -> None:
    entry = b"" if name == "values" else 1
    with pytest.raises(PeerError, match="columns of"):
        codec.decode_frame(damaged_save(**{name: [entry] * count}))


@pytest.mark.parametrize("name", ["expiry_times", "expiry_writers"])
def test_half_of_the_expiry_stamps_is_refused(name: str) -> None:
    with pytest.raises(PeerError, match="columns of"):
        codec.decode_frame(damaged_save(**{name: []}))


def test_a_tombstone_beyond_the_records_is_refused() -> None:
    with pytest.raises(PeerError, match="tombstone 2 of 2"):
        codec.decode_frame(damaged_save(tombstones=[2]))


@pytest.mark.parametrize("absent", [[5], [1, 1], [2, 0], [(1 << 32) - 1]])
def test_absent_entries_that_do_not_rise_or_fit_are_refused(absent: list[int]) -> None:
    raw = codec.frame(HEADER, [codec.reply_part(1, Loaded(None, [written(b"a", b"", 0, 1, 2)]))])
    whole = pb.Frame.FromString(raw)
    whole.replies[0].loaded.records.absent.extend(absent)
    with pytest.raises(PeerError, match="absent entry"):
        codec.decode_frame(whole.SerializeToString())


def test_a_save_of_absent_records_is_refused() -> None:
    with pytest.raises(PeerError, match="absent"):
        codec.decode_frame(damaged_save(absent=[0]))


def test_a_frame_without_a_header_is_refused() -> None:
    with pytest.raises(PeerError, match="header"):
        codec.decode_frame(codec.ask_part(1, 2, Beat(1, 2, 3)))


def test_an_outcome_of_a_newer_node_is_refused() -> None:
    whole = pb.Frame.FromString(codec.frame(HEADER, [codec.reply_part(1, Saved(None, None))]))
    whole.replies[0].saved.outcomes.append(99)
    with pytest.raises(PeerError, match="99"):
        codec.decode_frame(whole.SerializeToString())


def test_an_ask_of_an_unknown_kind_has_no_message() -> None:
    unknown = pb.Frame(asks=[pb.Ask(call=5, timeout_ms=1)]).SerializeToString()
    assert codec.decode_frame(codec.frame(HEADER, [unknown])).asks == [(5, None)]


def test_asks_of_a_newer_version_have_no_message() -> None:
    header = Header(FRAME_VERSION + 1, "n1", 1, 2, 3, 4, 5)
    raw = codec.frame(header, [codec.ask_part(5, 1, Beat(1, 2, 3))])
    assert codec.decode_frame(raw).asks == [(5, None)]


@pytest.mark.parametrize("reply", [pb.Reply(call=5), pb.Reply(call=5, failed=pb.Failed())])
def test_a_reply_that_is_not_understood_promises_nothing(reply: pb.Reply) -> None:
    raw = codec.frame(HEADER, [pb.Frame(replies=[reply]).SerializeToString()])
    assert codec.decode_frame(raw).replies == [(5, Failed(Reason.BROKEN))]


def test_wire_enums_have_the_names_of_ours() -> None:
    assert pb.Outcome.keys()[1:] == [f"OUTCOME_{outcome.name}" for outcome in Outcome]
    assert pb.Reason.keys()[1:] == [f"REASON_{reason.name}" for reason in Reason]
