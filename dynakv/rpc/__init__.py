"""gRPC: the KVStore door, the NodeInternal door, and the links to the peers."""
