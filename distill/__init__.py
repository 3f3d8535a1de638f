"""Distil a frontier model into a small one, with a gate that is right about what it says."""

__version__ = "0.1.0"
