"""Which keys and values a load asks for: popularity, names, sizes.

Zipfian popularity after Gray et al., "Quickly Generating Billion-Record Synthetic Databases"
(SIGMOD 1994) and YCSB (Cooper et al., 2010): the key of rank k is asked for with a probability in
proportion to 1 / k^theta. numpy's own zipf knows only theta > 1, so the distribution is a table of
cumulated probabilities that a uniform number is looked up in: exact, 8 bytes a key, O(log keys) a
draw. As in YCSB ranks are scattered over the keys, so that popular keys are no neighbours on disk.

Everything is decided by its seed. Not for cryptography.
"""

import math
import re
from enum import StrEnum
from random import Random
from typing import Final

import numpy as np

THETA: Final = 0.99  # YCSB's default
KEYS_MAX: Final = 100_000_000  # the tables take 16 bytes a key
VALUE_BYTES_MAX: Final = 8 << 20  # no node takes more
_BLOCK: Final = 8_192  # draws made at a time: numpy costs about 5 us a call, whatever its size
_SCATTER: Final = 7  # the same permutation in every process
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20}


class Distribution(StrEnum):
    """How popular keys are."""

    UNIFORM = "uniform"
    ZIPFIAN = "zipfian"


def name(index: int) -> bytes:
    """Return the key of an index: 17 bytes, the same in every tool here."""
    return b"load:%012d" % index


class Keys:
    """An endless series of key indices below `count`."""

    def __init__(self, distribution: Distribution, count: int, seed: int) -> None:
        """Prepare the tables, O(count) for a Zipfian series."""
        if not 1 <= count <= KEYS_MAX:
            raise ValueError(f"keys = {count}: must be between 1 and {KEYS_MAX}")
        self._count = count
        self._generator = np.random.default_rng(seed)
        self._shares = shares(count) if distribution is Distribution.ZIPFIAN else None
        self._scattered = np.random.default_rng(_SCATTER).permutation(count)
        self._drawn: list[int] = []

    def next(self) -> bytes:
        """Return the next key."""
        if not self._drawn:
            self._drawn = self._block()
        return name(self._drawn.pop())

    def _block(self) -> list[int]:
        if self._shares is None:
            drawn = self._generator.integers(self._count, size=_BLOCK)
        else:
            ranks = np.searchsorted(self._shares, self._generator.random(_BLOCK), side="right")
            drawn = self._scattered[ranks]
        return [int(index) for index in drawn]


def shares(count: int, theta: float = THETA) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return, for each rank, the probability that a draw is of this rank or a more popular one."""
    cumulated = np.cumsum(1.0 / np.arange(1, count + 1) ** theta)
    cumulated /= cumulated[-1]
    cumulated[-1] = 1.0  # rounding must not leave a gap that a draw could fall through
    return cumulated


class Sizes:
    """Value sizes in bytes, `least` to `most`, both included.

    Of a range they are drawn log-uniformly: as many between 1 and 2 KiB as between 512 KiB and
    1 MiB. Uniform ones would be half a megabyte on average and hide the small ones.
    """

    def __init__(self, least: int, most: int) -> None:
        """Take the bounds. Raises ValueError."""
        if not 0 <= least <= most <= VALUE_BYTES_MAX:
            raise ValueError(
                f"value bytes {least}-{most}: must rise and be at most {VALUE_BYTES_MAX}"
            )
        self.least = least
        self.most = most

    @classmethod
    def parsed(cls, text: str) -> "Sizes":
        """Return the sizes of `100`, `1k` or `1k-1m` (k 1024, m 1024 squared). Raises ValueError"""
        found = re.fullmatch(r"(\d+)([km]?)b?(?:-(\d+)([km]?)b?)?", text.strip().lower())
        if found is None:
            raise ValueError(f"value bytes {text!r}: must be like 100, 1k, or 1k-1m for a range")
        least = int(found[1]) * _UNITS[found[2]]
        most = least if found[3] is None else int(found[3]) * _UNITS[found[4]]
        return cls(least, most)

    def __str__(self) -> str:
        """Return what `parsed` takes."""
        return f"{self.least}" if self.least == self.most else f"{self.least}-{self.most}"

    def draw(self, random: Random) -> int:
        """Return one size."""
        if self.least == self.most:
            return self.least
        low, high = math.log(self.least + 1), math.log(self.most + 2)
        drawn = int(math.exp(random.uniform(low, high))) - 1
        return min(max(drawn, self.least), self.most)


class Values:
    """An endless series of values that nothing can compress: pieces of one random block."""

    def __init__(self, sizes: Sizes, seed: int) -> None:
        """Draw the block, a little larger than the largest value."""
        self._sizes = sizes
        self._random = Random(seed)
        self._slack = 1 << 16
        self._block = self._random.randbytes(sizes.most + self._slack)

    def next(self) -> bytes:
        """Return the next value."""
        start = self._random.randrange(self._slack)
        return self._block[start : start + self._sizes.draw(self._random)]
