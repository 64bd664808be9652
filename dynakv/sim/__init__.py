"""The second shell: whole clusters of the real node in one deterministic process."""
