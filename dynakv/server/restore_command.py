"""What `dynakv restore` says."""

from pathlib import Path

from dynakv.client import terminal
from dynakv.storage.restore import restore


def run(data_dir: Path, snapshot: Path, *, discard: bool) -> None:
    """Restore, and say what was done and what comes next. Raises UsageError, StorageError."""
    done = restore(data_dir, snapshot, discard=discard)
    terminal.say(
        f"node {done.node_id} restored as of commit {done.commit_sequence:,}: {done.rows:,} rows; "
        f"new incarnation {done.incarnation:016x}"
    )
    if done.kept is not None:
        terminal.say(f"the old database is in {done.kept}")
    terminal.say(
        f"start the node: its {done.groups:,} shard groups take writes at once, and answer when "
        "they have merged enough other replicas (`dynakv-admin status` shows how many are left)"
    )
