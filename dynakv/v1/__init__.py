"""Generated from `proto/dynakv/v1` by `proto/generate.py`; never edited."""
