"""The shell that runs a real node: configuration, driver, process."""
