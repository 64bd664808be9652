"""A cluster of real nodes with a keyspace in Raft mode, for the tests of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dynakv.server.demo_links import Links
from tests.process.harness import Cluster

KEYSPACE: Final = "log"


def links_of(cluster: Cluster) -> Links:
    """Return proxies between the nodes; use them with `async with`."""
    return Links({node.node_id: node.peer for node in cluster.nodes})


def configured(
    cluster: Cluster,
    directory: Path,
    *,
    groups: int = 4,
    replicas: int = 3,
    links: Links | None = None,
    program: Sequence[str] | None = None,
) -> None:
    """Give every node the Raft keyspace.

    `links`: the nodes find each other by these proxies; `program`: what Python runs as the node,
    where it is not the real one.
    """
    for node in cluster.nodes:
        if program is not None:
            node.program = program
        text = f"[[keyspaces]]\nname = '{KEYSPACE}'\nmode = 'raft'\n"
        text += f"groups = {groups}\nreplicas = {replicas}\n"
        if links is not None:
            via = [f'{peer} = "{where}"' for peer, where in links.via(node.node_id).items()]
            text += f"[peers]\nvia = {{ {', '.join(via)} }}\n"
        file = directory / f"{node.node_id}.toml"
        file.write_text(text)
        node.words = [*node.words, "--config", str(file)]
