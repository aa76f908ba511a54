"""Anonymity: what of a request tells who asks, what becomes of it at each level, and what an origin learnt."""
