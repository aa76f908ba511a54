"""Side-by-side measurements against the peers found on the machine."""
