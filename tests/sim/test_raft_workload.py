"""Claims about `dynakv.sim.raft_workload`: an attempt ends once."""

from dynakv.sim.raft_workload import Attempt


def test_an_attempt_ends_once_whatever_comes_later() -> None:
    heard: list[object | None] = []
    attempt = Attempt(heard.append)
    assert attempt.answered("reply")
    attempt.broken()
    attempt.end(None)
    assert heard == ["reply"]
