"""Decisions: one verb each, pure and synchronous."""
