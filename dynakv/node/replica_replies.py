"""What a replica's replies are made of: bounds, and results put back to their places."""

from msgspec.structs import replace

from dynakv import limits
from dynakv.core.record import Record
from dynakv.core.table import Damaged, Merged
from dynakv.node.messages import Loaded, Outcome, Saved


def whole(answer: Merged) -> bool:
    """Say whether every row of the answer is whole and there now."""
    before, after = list(map(type, answer.before)), list(map(type, answer.after))
    return after.count(Record) == len(after) and not before.count(Damaged)


def bounded(loaded: Loaded) -> Loaded:
    """Return the reply cut to LOAD_BYTES_MAX bytes of values, the first in any case."""
    records = loaded.records
    sizes = [0 if r is None or r.value is None else len(r.value) for r in records]
    if sum(sizes) <= limits.LOAD_BYTES_MAX:
        return loaded
    outcomes = list(loaded.outcomes or [Outcome.OK] * len(records))
    room = limits.LOAD_BYTES_MAX - sizes[0]
    for i in range(1, len(records)):
        room -= sizes[i]
        if room < 0 and outcomes[i] is Outcome.OK:
            outcomes[i] = Outcome.LATER
    kept = [r if o is not Outcome.LATER else None for r, o in zip(records, outcomes, strict=True)]
    return Loaded(outcomes, kept, loaded.floors)


def without_value(record: Record) -> Record:
    """Return the record as a list of keys needs it: nobody can check it against its checksum."""
    return record if not record.value else replace(record, value=b"")


def scattered(
    outcomes: list[Outcome] | None,
    refused: dict[int, Outcome],
    before: list[Record | None],
    *,
    previous: bool,
) -> Saved:
    """Put the results of the records that reached the disk back to their places."""
    if outcomes is None:
        outcomes = [Outcome.OK] * len(before)
    taken = [i for i, outcome in enumerate(outcomes) if outcome is Outcome.OK]
    everything: list[Record | None] = [None] * len(outcomes)
    for i, old in zip(taken, before, strict=True):
        everything[i] = old
    for i, outcome in refused.items():
        outcomes[taken[i]] = outcome
    return Saved(outcomes, everything if previous else None)
