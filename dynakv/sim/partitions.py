"""Which directed links each kind of partition cuts; the order of names says who is where."""

from collections.abc import Sequence

from dynakv.sim.network import between

Pairs = list[tuple[str, str]]


def halves(names: Sequence[str]) -> Pairs:
    """Cut the first half off from the second."""
    half = len(names) // 2
    return between(names[:half], names[half:])


def isolate(names: Sequence[str]) -> Pairs:
    """Cut one off from all others."""
    return between(names[:1], names[1:])


def majorities_ring(names: Sequence[str]) -> Pairs:
    """Let every process see a majority, and no two the same one."""
    count = len(names)
    near = (count // 2 + 1) // 2  # on either side
    return [
        (names[i], names[j])
        for i in range(count)
        for j in range(count)
        if min((i - j) % count, (j - i) % count) > near
    ]


def bridge(names: Sequence[str]) -> Pairs:
    """Cut two halves off from each other; the first process reaches both."""
    half = (len(names) - 1) // 2
    return between(names[1 : 1 + half], names[1 + half :])
