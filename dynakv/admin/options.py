"""Options that several commands of `dynakv-admin` have."""

from enum import Enum
from typing import Annotated

import typer


class Output(Enum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"


Endpoints = Annotated[
    str | None,
    typer.Option(
        "--endpoints",
        "-e",
        metavar="HOST:PORT,...",
        help="Nodes to ask. [default: $DYNAKV_ENDPOINTS, else 127.0.0.1:50051]",
    ),
]
Keyspace = Annotated[str, typer.Option("--keyspace", "-k", metavar="NAME")]
OutputOption = Annotated[Output, typer.Option("--output", "-o")]
