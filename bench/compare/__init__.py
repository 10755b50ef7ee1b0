"""Quaver beside the Python stack: the same work, in turn."""
