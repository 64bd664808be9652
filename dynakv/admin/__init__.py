"""The `dynakv-admin` command."""
