"""`dynakv-admin recover`: lets a node that has forgotten answer with what it holds."""

from typing import Final

from dynakv.admin import survey
from dynakv.client import terminal
from dynakv.client.connection import Connection
from dynakv.errors import UsageError
from dynakv.v1 import tasks_pb2 as pb

WITHIN_MS: Final = 5_000
EXIT_FAILED: Final = 1


def statement(node: str, keyspace: str) -> str:
    """Return what may be lost."""
    where = f"keyspace {keyspace}" if keyspace else "all keyspaces"
    return (
        f"Node {node} has forgotten what it had acknowledged in {where}. Let it answer, and in the "
        "shard groups that it recovers\n"
        "- writes may be lost that were acknowledged since its snapshot, where no other replica "
        "that answers holds them;\n"
        "- deleted and overwritten values may be read again, and be copied to other replicas;\n"
        "- reads at quorum may go backwards.\n"
        "It recovers by itself as soon as enough other replicas can be reached."
    )


async def accept(endpoints: list[str], node: str, keyspace: str, *, yes: bool) -> int:
    """Say what may be lost, and with `yes` accept it; return the exit code."""
    where = survey.named(survey.addresses(await survey.any_state(endpoints)), [node])
    terminal.say(statement(node, keyspace))
    if not yes:
        raise UsageError("nothing was done: say --yes to accept that")

    async def ask(connection: Connection) -> pb.AcceptLossResponse:
        return await connection.accept_loss(keyspace, WITHIN_MS)

    said = (await survey.each(where, ask, WITHIN_MS))[node]
    if isinstance(said, str):
        terminal.say(f"dynakv-admin: {node} did not answer: {said}")
        return EXIT_FAILED
    terminal.say(f"{node}: {said.groups:,} shard groups answer with what they hold")
    return 0
