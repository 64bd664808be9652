"""The Redis protocol: a door for the clients and tools that people have already."""
