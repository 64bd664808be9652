"""Which peers this node believes up: an opinion, used to choose whom to ask, never whom to count.

A peer is up once it answered something, so that both ways are known to work, and while anything was
heard from it within `suspect_ms`. A link that reports itself broken: down at once. A node that
was paused itself (a long gap between two ticks) first gives its peers the time it missed, since the
silence may be its own: Dadgar et al., "Lifeguard" (2018), section III.
"""

from collections.abc import Iterable

from dynakv import limits


class Members:
    """Last signs of life of the peers; times are monotonic milliseconds."""

    __slots__ = ("_heard_ms", "_returns", "_suspect_ms", "_ticked_ms", "_up")

    def __init__(self, peers: Iterable[str], now_ms: int, suspect_ms: int) -> None:
        """Begin with every peer down until it is heard from."""
        self._heard_ms = dict.fromkeys(peers, now_ms)
        self._up = dict.fromkeys(self._heard_ms, False)
        self._returns = dict.fromkeys(self._heard_ms, 0)
        self._suspect_ms = suspect_ms
        self._ticked_ms = now_ms

    def heard(self, peer: str, now_ms: int) -> None:
        """Take note of a sign of life; it does not show yet that the peer can be reached."""
        self._heard_ms[peer] = now_ms

    def answered(self, peer: str, now_ms: int) -> bool:
        """Take note of an answer to an ask; True if the peer counted as down until now."""
        self._heard_ms[peer] = now_ms
        if self._up[peer]:
            return False
        self._up[peer] = True
        self._returns[peer] += 1
        return True

    def broken(self, peer: str) -> bool:
        """Take note that the link to the peer is cut; True if it counted as up until now."""
        was_up = self._up[peer]
        self._up[peer] = False
        return was_up

    def tick(self, now_ms: int) -> list[str]:
        """Return the peers that now count as down for their silence."""
        gap_ms = now_ms - self._ticked_ms
        self._ticked_ms = now_ms
        if gap_ms > limits.PAUSE_MS:
            for peer in self._heard_ms:
                self._heard_ms[peer] += gap_ms
        silent = [
            peer
            for peer, up in self._up.items()
            if up and now_ms - self._heard_ms[peer] > self._suspect_ms
        ]
        for peer in silent:
            self._up[peer] = False
        return silent

    def up(self, peer: str) -> bool:
        """Say whether the peer is believed up."""
        return self._up[peer]

    def silent_ms(self, peer: str, now_ms: int) -> int:
        """Return for how long nothing was heard from the peer; at most since this life began."""
        return max(0, now_ms - self._heard_ms[peer])

    def returns(self, peer: str) -> int:
        """Return how often the peer came up; the first time counts."""
        return self._returns[peer]

    def states(self) -> dict[str, bool]:
        """Return the opinion about every peer."""
        return dict(self._up)
