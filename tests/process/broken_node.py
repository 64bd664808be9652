"""`dynakv` with a planted bug of Raft mode: python -m tests.process.broken_node BUG start ..."""

import sys

from dynakv.server.main import main
from tests.sim.raft_bugs import BUGS

if __name__ == "__main__":
    bug = sys.argv.pop(1)
    with BUGS[bug]():
        main()
