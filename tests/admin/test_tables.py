from dynakv.admin.tables import GREEN, columns, painted


def test_columns_are_aligned_and_end_without_spaces() -> None:
    rows = [["A", "BB", "C"], ["aaa", "1", "x"], ["a", "22222", ""]]
    assert list(columns(rows, right={1})) == ["A       BB  C", "aaa      1  x", "a    22222"]


def test_a_short_row_runs_on_and_widens_nothing() -> None:
    rows = [["A", "B", "C"], ["a", "b", "c"], ["a", "a long reason"]]
    assert list(columns(rows, right={1})) == ["A  B  C", "a  b  c", "a  a long reason"]


def test_paint_is_optional() -> None:
    assert painted("x", GREEN) == "\x1b[32mx\x1b[0m"
    assert painted("x", None) == "x"
