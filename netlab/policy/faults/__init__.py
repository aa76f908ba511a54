"""Faults on purpose: which conversation is struck, by what, and what that does to its bytes; the same for a seed."""

from __future__ import annotations

from netlab.policy.faults.line import End, Line, Notice, Piece
from netlab.policy.faults.rule import Fault, Leg, Towards, parse_fault
from netlab.policy.faults.table import Faults, Strike

__all__ = ["End", "Fault", "Faults", "Leg", "Line", "Notice", "Piece", "Strike", "Towards", "parse_fault"]
