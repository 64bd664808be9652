"""Claims about `dynakv.node.request_ids`: no id twice, and none beyond what is remembered."""

from hypothesis import given
from hypothesis import strategies as st

from dynakv import limits
from dynakv.node.request_ids import RequestIds


@given(st.lists(st.integers(0, 9), max_size=600))
def test_no_id_comes_twice_and_none_is_further_ahead_than_outcomes_are_kept(
    steps: list[int],
) -> None:
    ids = RequestIds(7, 1)
    open_ids: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()
    for step in steps:
        if step < 7 or not open_ids:
            client, sequence, settled = ids.take()
            assert (client, sequence) not in seen
            seen.add((client, sequence))
            open_ids.append((client, sequence))
            mine = [s for c, s in open_ids if c == client]
            assert settled == min(mine)
            assert sequence - settled < limits.REQUEST_OUTCOMES_MAX
        else:
            ids.settle(*open_ids.pop(step % len(open_ids)))


def test_lives_and_nodes_have_clients_of_their_own() -> None:
    clients = {RequestIds(i, starts).take()[0] for i in (1, 2) for starts in (1, 2)}
    assert len(clients) == 4
    assert 0 not in clients


def test_one_slow_request_holds_up_its_lane_only() -> None:
    ids = RequestIds(1, 1)
    slow = ids.take()
    used = {slow[0]}
    for _ in range(3 * limits.RAFT_ID_WINDOW):
        client, sequence, _ = ids.take()
        used.add(client)
        ids.settle(client, sequence)
    assert len(used) == 2
    ids.settle(*slow[:2])
    ids.settle(99, 1)  # of somebody else
