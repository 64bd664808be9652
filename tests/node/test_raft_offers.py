"""Claims about `dynakv.node.raft_offers`: pages of different moments show the state of one."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv import limits
from dynakv.core.raft_rows import number_key, session_row
from dynakv.core.record import Record, written
from dynakv.core.table import DAMAGED, Page, Row
from dynakv.node.raft_offers import Offer

KEYS = [b"%02d" % i for i in range(12)]


def row(key: bytes, time: int) -> Record:
    return written(key, b"v%d" % time, 0, time, 1)


def page_of(rows: dict[bytes, Row], after: bytes | None, count: int) -> Page:
    keys = sorted(key for key in rows if after is None or key > after)
    shown = keys[:count]
    return Page(shown, [rows[k] for k in shown], shown[-1] if len(shown) < len(keys) else None)


steps = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(["put", "delete", "page"])), max_size=60
)


@given(st.sets(st.sampled_from(KEYS)), steps, st.integers(1, 4))
def test_all_pages_together_are_the_state_at_the_beginning(
    begin: set[bytes], steps: list[tuple[bytes, str]], count: int
) -> None:
    rows: dict[bytes, Row] = {key: row(key, 1) for key in sorted(begin)}
    first = dict(rows)
    offer = Offer(5, 0, 0)
    shown: list[Record] = []
    time = 1

    def take() -> None:
        if offer.part is offer.data:
            page = offer.take(page_of(rows, offer.data.read_to, count))
            assert page is not None
            shown.extend(page.records)

    for key, what in steps:
        time += 1
        if what == "page":
            take()
            continue
        before = rows.get(key)
        assert before is None or isinstance(before, Record)
        offer.changed({key: before}, {})
        if what == "put":
            rows[key] = row(key, time)
        else:
            rows.pop(key, None)
    while offer.part is offer.data:
        take()
    assert [r.key for r in shown] == sorted(r.key for r in shown)
    assert {r.key: r for r in shown} == first


def test_sessions_follow_the_records_and_end_it() -> None:
    offer = Offer(5, 0, 0)
    data = offer.take(Page([], [], None))
    assert data is not None
    assert not data.last
    session = session_row(7, b"s")
    last = offer.take(Page([number_key(7)], [session], None))
    assert last is not None
    assert (last.sessions, last.last) == ([(7, b"s")], True)
    assert (offer.pages, offer.last_page) == (2, last)


def test_a_damaged_row_ends_it_and_so_does_too_much_that_changed() -> None:
    assert Offer(5, 0, 0).take(Page([b"k"], [DAMAGED], None)) is None
    offer = Offer(5, 0, 0)
    big = written(b"k", b"x" * (8 << 20), 0, 1, 1)
    for i in range(limits.RAFT_SHADOW_BYTES_MAX // (8 << 20)):
        assert not offer.too_large
        offer.changed({b"%d" % i: big}, {})
    assert offer.too_large
