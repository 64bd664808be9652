"""The `dynakv-cli` command and the clients."""
