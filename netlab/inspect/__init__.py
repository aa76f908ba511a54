"""Readers of flows."""
