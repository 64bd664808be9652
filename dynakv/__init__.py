"""DynaKV: a leaderless, Dynamo-style key-value store with durable quorum writes."""

__version__ = "0.1.0"
