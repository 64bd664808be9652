"""Claims about `dynakv.core.clock_guard`: when a wall clock may be believed."""

from dynakv import limits
from dynakv.core.clock_guard import ClockGuard

WALL_MS, MONO_MS, BOUND_MS, LEAP_MS = 1_700_000_000_000, 5_000, 500, 250


class Node:
    """A guard with clocks to move: `step` sets the wall clock, `run` lets time pass."""

    def __init__(self, members: int = 3, *, trusted: bool = True) -> None:
        self.wall_ms, self.mono_ms = WALL_MS, MONO_MS
        self.guard = ClockGuard(WALL_MS, MONO_MS, members, BOUND_MS, LEAP_MS)
        if trusted:
            for peer in range(members // 2):
                self.sample(f"p{peer}", 0)
            assert self.guard.trusted

    def run(self, ms: int = 10) -> None:
        self.wall_ms += ms
        self.mono_ms += ms

    def step(self, ms: int) -> bool:
        """Set the wall clock forward by `ms` and look."""
        self.wall_ms += ms
        return self.guard.look(self.wall_ms, self.mono_ms)

    def sample(self, peer: str, ahead_ms: int, way_ms: int = 0) -> bool:
        """Take a sample of a peer whose clock stands `ahead_ms` before this one's."""
        asked = self.mono_ms
        peer_wall_ms = self.wall_ms + ahead_ms + way_ms // 2
        self.run(way_ms)
        return self.guard.sample(peer, peer_wall_ms, asked, self.mono_ms)

    @property
    def error_ms(self) -> int:
        """What the guard believes, minus the wall clock."""
        return self.guard.believed_ms(self.mono_ms) - self.wall_ms


def test_a_node_starts_without_trust_and_a_majority_gives_it() -> None:
    node = Node(5, trusted=False)
    assert not node.guard.trusted
    assert not node.sample("a", 0)
    assert not node.sample("a", 0)  # the same peer counts once
    assert node.sample("b", 500)
    assert node.guard.trusted


def test_a_peer_beyond_the_bound_gives_no_trust() -> None:
    for ahead_ms in (501, -501):
        node = Node(trusted=False)
        assert not node.sample("a", ahead_ms)
        assert not node.guard.trusted
    assert Node(trusted=False).sample("a", -500)


def test_a_cluster_of_one_trusts_itself_and_follows_its_own_leaps() -> None:
    node = Node(1, trusted=False)
    assert node.guard.trusted
    assert not node.step(3_600_000)
    assert node.guard.trusted
    assert node.error_ms == 0


def test_a_leap_either_way_ends_trust_and_is_not_followed() -> None:
    for leap_ms in (LEAP_MS + 1, -LEAP_MS - 1, 3_600_000, -3_600_000):
        node = Node()
        assert node.step(leap_ms)
        assert not node.guard.trusted
        assert node.guard.leaps == 1
        assert node.error_ms == -leap_ms
        node.run(1_000)
        assert not node.step(0)
        assert node.error_ms == -leap_ms  # goes on by the monotonic clock


def test_a_small_step_is_followed() -> None:
    for step_ms in (LEAP_MS, -LEAP_MS):
        node = Node()
        assert not node.step(step_ms)
        assert node.guard.trusted
        assert node.error_ms == 0


def test_slow_drift_is_no_leap() -> None:
    node = Node()
    for _ in range(1_000):
        node.run(1_000)
        assert not node.step(1)  # a second a quarter hour
    assert node.error_ms == 0


def test_small_steps_without_trust_are_not_believed() -> None:
    node = Node()
    node.step(3_600_000)
    node.step(200)
    assert node.error_ms == -3_600_200


def test_samples_from_before_a_leap_count_no_longer() -> None:
    node = Node(5)
    node.step(3_600_000)
    node.step(-3_600_000)
    assert not node.sample("p0", 0)  # p1, which had agreed, is to be asked again
    assert node.sample("p1", 0)


def test_after_a_leap_to_the_right_time_a_majority_restores_trust_in_the_new_time() -> None:
    node = Node()
    node.step(1_000)
    assert node.sample("a", 0)
    assert node.guard.trusted
    assert node.error_ms == 0


def test_a_majority_that_disagrees_ends_trust_and_a_single_peer_does_not() -> None:
    node = Node()
    assert not node.sample("p0", 600)
    assert node.guard.trusted
    assert node.sample("p1", 600)
    assert not node.guard.trusted


def test_a_tie_keeps_trust() -> None:
    # Half of the living disagree, and nobody can say which half is right: a node that is told so
    # by less than a majority goes on, as one that is told nothing.
    node = Node()
    for _ in range(10):
        assert not node.sample("p0", 600)
        node.run(1_000)
    assert node.guard.trusted


def test_a_tie_does_not_give_trust() -> None:
    node = Node(5)
    node.step(3_600_000)
    for peer, ahead_ms in (("p0", 0), ("p1", 600), ("p2", 600)):
        assert not node.sample(peer, ahead_ms)
    assert not node.guard.trusted


def test_what_a_peer_said_long_ago_counts_for_neither_side() -> None:
    # p0 agreed once and died. p1 and p2 disagree now: three of five would be a majority against,
    # two are none; a third one makes it.
    for ahead_ms in (0, 600):
        node = Node(5)
        node.sample("p2", ahead_ms)
        node.run(limits.CLOCK_SAMPLE_AGE_MS + 1)
        for peer in ("p0", "p1"):
            node.sample(peer, 600)
        assert node.guard.trusted
        node.sample("p3", 600)
        assert not node.guard.trusted


def test_a_sample_counts_until_its_age_is_beyond_the_limit() -> None:
    for late_ms, trusted in ((0, False), (1, True)):
        node = Node()
        node.sample("p0", 600)
        node.run(limits.CLOCK_SAMPLE_AGE_MS + late_ms)
        node.sample("p1", 600)
        assert node.guard.trusted == trusted


def test_trust_is_kept_when_nobody_answers() -> None:
    node = Node()
    for _ in range(1_000):
        node.run(100)
        node.step(0)
    assert node.guard.trusted


def test_a_sample_that_took_longer_than_the_bound_says_nothing() -> None:
    node = Node(trusted=False)
    assert not node.sample("a", 0, way_ms=BOUND_MS + 1)
    assert node.guard.offset_ms("a") is None
    assert node.sample("a", 0, way_ms=BOUND_MS)


def test_the_way_is_taken_to_be_as_long_in_both_directions() -> None:
    node = Node()
    node.sample("a", 70, way_ms=100)
    assert node.guard.offset_ms("a") == 70


def test_a_sample_asked_before_a_leap_is_compared_with_the_clock_after_it() -> None:
    node = Node()
    asked, true_wall_ms = node.mono_ms, node.wall_ms
    node.run(20)
    node.step(3_600_000)
    node.guard.sample("a", true_wall_ms + 10, asked, node.mono_ms)
    assert node.guard.offset_ms("a") == -3_600_000
    assert not node.guard.trusted
