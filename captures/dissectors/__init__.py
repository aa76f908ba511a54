"""Dissectors, one file per layer."""
