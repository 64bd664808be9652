"""Claims about `dynakv.node.config`."""

from dynakv import limits
from dynakv.core.layout import NodeId
from dynakv.node.config import Config


def test_repair_is_looked_after_often_enough_for_its_interval_and_never_all_the_time() -> None:
    def look_ms(interval_ms: int) -> int:
        return Config(NodeId("n1"), repair_interval_ms=interval_ms).look_ms

    assert look_ms(1) == limits.LOOK_MS_MIN
    assert look_ms(1 << 40) == limits.LOOK_MS_MAX
    between_ms = (limits.LOOK_MS_MIN + limits.LOOK_MS_MAX) // 2
    assert look_ms(between_ms * limits.REPAIR_LOOKS) == between_ms
