"""What `dynakv-admin what-if` shows: which share of the keys would lose what without some nodes."""

import json
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from dynakv.admin import outage
from dynakv.admin.tables import columns
from dynakv.v1 import ring_pb2


class WhatIf(Struct, frozen=True):
    """All of it; what `-o json` prints. Counts are of shard groups."""

    verdict: str
    down: list[str]
    epoch: int
    keyspaces: list[outage.Loss]

    @property
    def loses_a_quorum(self) -> bool:
        """Whether some key would lose one."""
        return any(loss.loses_a_quorum for loss in self.keyspaces)


def view(state: ring_pb2.GetRingStateResponse, down: Sequence[str]) -> WhatIf:
    """Return what the cluster would lose without the nodes `down`."""
    found = outage.losses(state, frozenset(down))
    verdict = f"without {', '.join(down)} {outage.sentence(found)}"
    return WhatIf(verdict, list(down), state.epoch, found)


def as_json(shown: WhatIf) -> str:
    """Return it as indented JSON."""
    return json.dumps(msgspec.to_builtins(shown), indent=2)


def as_table(shown: WhatIf) -> str:
    """Return it as text for a terminal."""
    rows = [["KEYSPACE", "N", "RQ", "WQ", "FEWER COPIES", "NO READ", "NO WRITE", "NO COPY"]]
    for k in shown.keyspaces:
        shares = [outage.percent(c, k.groups) for c in (k.short, k.no_read, k.no_write, k.gone)]
        rows.append([k.keyspace, str(k.n), str(k.rq), str(k.wq), *shares])
    return "\n".join([shown.verdict, "", *columns(rows, right=set(range(1, 8)))])
