"""What answers of replicas mean once deleted keys may have been forgotten.

A shard group's floor S (a reading of the Hybrid Logical Clock) at a replica says: every register at
or below S that any replica held, all replicas held, or a newer one in its place; after that this
replica may have dropped what is `droppable` under S. From that follow two rules.

Absent counts. A key that is absent under S is held as far as anything droppable under S goes.

What a higher floor does not show is void. A register at or below S that was read from a replica
under a lower floor, and that the replica with floor S neither holds nor covers, was covered there
when S was proven and then dropped with what covered it: it stands for nothing any more. Without
this rule an answer that is older than a collection, beside one that is younger, would bring a
deleted value back. (The expiry register of a value that was written after the drop may be void,
too: it was a tombstone's, or spent; neither means anything to a newer value.)
"""

from dynakv.core.record import Record, above, covers, droppable, merge


def holds(theirs: Record | None, floor: int, record: Record) -> bool:
    """Say whether a replica that showed `theirs` under `floor` needs no `record`.

    Under no floor at all even a row that says nothing (stamped 0, over damage) is to be alike.
    """
    if theirs is not None:
        return covers(theirs, record)
    return floor > 0 and droppable(record, floor)


def merge_under(
    a: Record | None, a_floor: int, b: Record | None, b_floor: int
) -> tuple[Record | None, int]:
    """Return what two answers come to, and the floor it stands under: the higher one.

    Every register of the result that is at or below that floor was shown under it.
    """
    if a_floor < b_floor:
        a, a_floor, b, b_floor = b, b_floor, a, a_floor
    if b is not None and b_floor < a_floor:
        b = above(b, a_floor)
    if a is None or b is None:
        return (b if a is None else a), a_floor
    return merge(a, b), a_floor
