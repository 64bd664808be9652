"""The SQLite shell around `core/table.py`: one file, one writer, group commit."""
