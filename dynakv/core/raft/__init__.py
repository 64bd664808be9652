"""A sans-IO Raft core: messages and ticks in; what to persist and to send out."""
