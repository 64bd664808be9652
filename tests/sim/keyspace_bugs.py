"""Planted bugs of changing keyspaces; see `tests/sim/bugs.py`."""

from collections.abc import Callable
from typing import Any

from xxhash import xxh3_64_intdigest

from dynakv.core.keyspaces import name_of
from dynakv.core.table import FactsKept
from dynakv.node import keyspaces, layouts, sweep
from tests.sim.bugs import patched


def id_reused() -> Any:
    """A keyspace that is made again has the id of its predecessor."""
    original = keyspaces.Keyspaces._begin

    def begin(self: Any, pending: Any) -> Any:
        self._new_id = lambda: xxh3_64_intdigest(name_of(pending.change).encode())
        return original(self, pending)

    return patched((keyspaces.Keyspaces, "_begin", begin))


def layout_not_persisted() -> Any:
    """A layout is in force, and sent on, before any disk has it."""

    def keep(self: Any, layout: Any, kept: Callable[[], None]) -> None:
        if layout.epoch > self.epoch:
            self._kept(layout, [], kept, FactsKept())

    return patched((layouts.Layouts, "keep", keep))


def answered_by_the_maker_alone() -> Any:
    """A change is acknowledged as soon as its maker has it."""
    return patched((layouts.Layouts, "has", lambda *_: True))


def dropped_rows_stay() -> Any:
    """Rows of a dropped keyspace are looked for at a start only."""
    return patched((sweep.Sweeper, "clear", lambda *_: None), (sweep.Sweeper, "_begin", _nothing))


def _nothing(_: Any) -> None:
    """Do not look."""


BUGS: dict[str, Callable[[], Any]] = {
    bug.__name__: bug
    for bug in (id_reused, layout_not_persisted, answered_by_the_maker_alone, dropped_rows_stay)
}
