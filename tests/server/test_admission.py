"""Claims about `dynakv.server.admission`: what a node refuses at the door, and what it never."""

from dynakv import limits
from dynakv.server.admission import Admission

STEP_MS = 10
LUMP_MS = 50  # answers come a transaction at a time


class Server:
    """Answers `speed` keys a second, in lumps; every caller asks for one key."""

    def __init__(self, speed: int) -> None:
        self.now_ms = 0
        self.speed = speed
        self.door = Admission(0)
        self.arrivals_ms: list[int] = []  # of what waits, oldest first
        self.waits_ms: list[int] = []  # of what was answered
        self.refused = 0
        self._room = 0

    def run(self, seconds: float, offered: int, timeout_ms: int = limits.ATTEMPT_MS) -> None:
        """Offer so many keys a second, whatever becomes of them."""
        self.refused, self.waits_ms = 0, []
        for _ in range(int(seconds * 1000) // STEP_MS):
            self.now_ms += STEP_MS
            for _ in range(offered * STEP_MS // 1000):
                if self.door.admit(1, timeout_ms, self.now_ms):
                    self.arrivals_ms.append(self.now_ms)
                else:
                    self.refused += 1
            if self.now_ms % LUMP_MS == 0:
                self._answer(self.speed * LUMP_MS // 1000)

    def _answer(self, count: int) -> None:
        done, self.arrivals_ms = self.arrivals_ms[:count], self.arrivals_ms[count:]
        self.waits_ms += [self.now_ms - arrived for arrived in done]
        self.door.answered(len(done))


def test_a_door_is_open_as_long_as_nothing_is_known_of_the_speed() -> None:
    door = Admission(0)
    assert door.admit(limits.INBOX_CLIENT_KEYS_MAX, limits.ATTEMPT_MS, 0)
    assert not door.admit(1, limits.ATTEMPT_MS, 0)


def test_a_load_below_the_speed_is_never_refused() -> None:
    server = Server(speed=4_000)
    for offered in (100, 3_900, 100, 3_900):
        server.run(5, offered)
        assert server.refused == 0


def test_three_times_the_speed_is_shed_to_the_speed_and_nothing_admitted_waits_long() -> None:
    for speed in (4_000, 40_000):  # the bound of a fast node is that of the keys
        server = Server(speed)
        server.run(1, 3 * speed)
        server.run(10, 3 * speed)
        assert len(server.waits_ms) == 10 * speed
        assert server.refused >= 19 * speed
        assert max(server.waits_ms) <= 1.2 * limits.ADMITTED_WAIT_MS
        assert min(server.waits_ms) >= limits.ADMITTED_WAIT_MS // 2


def test_from_the_first_moment_of_an_overload_on_nothing_waits_until_its_deadline() -> None:
    server = Server(speed=4_000)
    server.run(5, 1_000)
    server.run(5, 12_000)
    assert max(server.waits_ms) <= 2 * limits.ADMITTED_WAIT_MS


def test_an_overload_leaves_within_a_second() -> None:
    server = Server(speed=4_000)
    server.run(5, 12_000)
    server.run(1, 1_200)
    server.run(5, 1_200)
    assert server.refused == 0
    assert max(server.waits_ms) <= 2 * LUMP_MS


def test_the_bound_follows_a_node_that_slows_down_and_one_that_recovers() -> None:
    server = Server(speed=20_000)
    server.run(3, 60_000)
    server.speed = 4_000
    server.run(4, 60_000)
    server.run(2, 60_000)
    assert max(server.waits_ms) <= 1.2 * limits.ADMITTED_WAIT_MS
    server.speed = 20_000
    server.run(3, 60_000)
    server.run(2, 60_000)
    assert len(server.waits_ms) == 2 * 20_000


def test_a_very_slow_node_takes_one_full_message_in_any_case() -> None:
    server = Server(speed=20)
    server.run(10, 1_000)
    assert server.door.keys_max == limits.ADMITTED_KEYS_MIN
    server.door.answered(server.door.waiting)
    assert server.door.admit(limits.REQUEST_KEYS_MAX, limits.ATTEMPT_MS, server.now_ms)


def test_a_very_slow_node_takes_all_that_one_redis_connection_sends_ahead() -> None:
    server = Server(speed=20)
    server.run(10, 1_000)
    server.door.answered(server.door.waiting)
    key = 1  # and what values of 2,000 bytes weigh beside it
    values = limits.RESP_UNANSWERED_MAX * 2_000 // limits.BYTES_PER_KEY
    for _ in range(limits.RESP_UNANSWERED_MAX):
        assert server.door.admit(key, limits.ATTEMPT_MS, server.now_ms)
    assert server.door.admit(values, limits.ATTEMPT_MS, server.now_ms)


def test_a_burst_after_quiet_is_welcome() -> None:
    server = Server(speed=4_000)
    server.run(5, 12_000)  # an overload long ago
    server.run(5, 100)
    bursts = [server.door.admit(500, limits.ATTEMPT_MS, server.now_ms) for _ in range(16)]
    assert all(bursts)


def test_idle_time_says_nothing_about_the_speed() -> None:
    server = Server(speed=20_000)
    server.run(5, 60_000)
    bound = server.door.keys_max
    for _ in range(100):
        server.run(0.1, 100)
        server.run(10, 0)
    bounds = []
    for _ in range(20):
        server.run(0.1, 60_000)
        bounds.append(server.door.keys_max)
    assert min(bounds) >= 0.8 * bound


def test_who_waits_for_less_finds_less_room() -> None:
    server = Server(speed=4_000)
    server.run(5, 12_000)
    bound = server.door.keys_max
    server.door.answered(server.door.waiting - bound // 2)
    assert not server.door.admit(1, limits.ATTEMPT_MS // 2, server.now_ms)
    assert server.door.admit(1, limits.ATTEMPT_MS, server.now_ms)
    assert server.door.admit(1, 10 * limits.ATTEMPT_MS, server.now_ms)


def test_a_node_without_work_takes_any_message() -> None:
    door = Admission(0)
    assert door.admit(10 * limits.INBOX_CLIENT_KEYS_MAX, 1, 0)
