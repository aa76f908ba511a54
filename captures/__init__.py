"""Packets: capture files, synthesis and dissection."""
