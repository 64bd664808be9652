"""What one node does: a deterministic, synchronous machine. Pure, as `core` is."""
