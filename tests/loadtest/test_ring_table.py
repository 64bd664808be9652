"""The table of balance and movement, on few nodes."""

import pytest

from loadtest import ring_table


def test_a_join_moves_no_more_than_its_share_and_the_cap_holds() -> None:
    rows = list(ring_table.table([3, 5], [1, 3], 64))
    assert [(r.zones, r.nodes) for r in rows] == [(1, 3), (1, 5), (3, 3), (3, 5)]
    for row in rows:
        assert 0.9 <= row.join <= 1.1
        assert 1 <= row.leave <= 1.1
        for balance in (row.first, row.joined, row.left, row.grown):
            assert balance.least <= 1 <= balance.most <= 1.13  # ceil(1.10 x 38.4) = 43
    assert rows[0].first == ring_table.Balance(1, 1)  # every node has everything


def test_the_command_prints_a_row_for_each_number_of_nodes_and_zones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ring_table.main(["--groups", "16", "--nodes", "3", "--zones", "1", "2"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("| zones | nodes | first |")
    assert [line[:9] for line in printed[2:]] == ["| 1 | 3 |", "| 2 | 3 |"]
