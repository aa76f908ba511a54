"""The servers that are measured: ours and the peers, one module each."""
