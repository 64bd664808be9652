"""A connection lets in as many commands as the replies of late say that memory can hold."""

from dynakv import limits
from dynakv.resp.window import Window


def test_it_opens_with_small_replies_and_stays_open() -> None:
    window = Window()
    assert 1 < window.slots < limits.RESP_UNANSWERED_MAX
    for _ in range(4):
        window.sent(10, 50)
    assert window.slots == limits.RESP_UNANSWERED_MAX
    window.sent(1, 5)
    assert window.slots == limits.RESP_UNANSWERED_MAX


def test_it_closes_at_once_with_large_replies_and_never_wholly() -> None:
    window = Window()
    window.sent(2, 2 << 20)
    assert window.slots == limits.RESP_HELD_BYTES_MAX >> 20
    window.sent(1, 2 * limits.RESP_HELD_BYTES_MAX)
    assert window.slots == 1
    window.sent(1, 0)
    assert 1 <= window.slots <= 2
