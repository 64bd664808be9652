"""What is left of a caller's deadline. How methods are served is tested with the doors."""

import pytest

from dynakv import limits
from dynakv.rpc.methods import timeout_ms


class Caller:
    """A call with so many seconds left."""

    def __init__(self, left: float | None) -> None:
        self.left = left

    def time_remaining(self) -> float | None:
        return self.left


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (None, 0),
        (1.5, 1_500 - limits.ANSWER_MS),
        (0.1, 75),
        (0.0, 1),  # 0 would mean "no deadline" to the node
        (-3.0, 1),
        (1e9, limits.DEADLINE_MS_MAX),
    ],
)
def test_the_node_ends_a_little_before_the_caller_within_bounds(
    left: float | None, expected: int
) -> None:
    assert timeout_ms(Caller(left)) == expected  # type: ignore[arg-type]
