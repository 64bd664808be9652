"""Lone requests against an fsync and a round trip."""

import pytest

from loadtest.latency import PER_TURN, as_lines, compared, main, measure


class FakeClock:
    """Time passes only while requests run."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ran: list[str] = []

    def __call__(self) -> float:
        return self.now

    def request(self, kind: str, seconds: float) -> None:
        self.ran.append(kind)
        self.now += seconds


def test_kinds_take_turns_and_the_first_round_is_thrown_away() -> None:
    clock = FakeClock()
    requests = {
        "get": lambda: clock.request("get", 9.0 if clock.now < 5 else 0.001),
        "put": lambda: clock.request("put", 0.002),
    }
    samples = measure(requests, 2, clock)
    assert clock.ran == (["get"] * PER_TURN + ["put"] * PER_TURN) * 3
    assert samples["get"] == pytest.approx([0.001] * 2 * PER_TURN)
    assert samples["put"] == pytest.approx([0.002] * 2 * PER_TURN)


def test_medians_are_compared_with_fsync_and_round_trip_together() -> None:
    report = compared(
        {
            "handshake": [0.0002, 0.0002, 9.0],
            "get": [0.0005, 0.0005, 9.0],
            "fsync": [0.0008, 0.0008, 9.0],
            "put": [0.0015, 0.0015, 9.0],
        }
    )
    assert report["floor_us"] == 1000
    assert (report["get_of_floor"], report["put_of_floor"]) == (0.5, 1.5)
    assert any("p50 of a lone put" in line and "1.50" in line for line in as_lines(report))


@pytest.mark.slow
def test_it_measures_a_demo_cluster(capfd: pytest.CaptureFixture[str]) -> None:
    main(["--rounds", "2", "--keys", "10"])
    out = capfd.readouterr().out
    for title in ("fsync of 4 KiB", "empty gRPC round trip", "lone get", "lone put"):
        assert title in out
