"""Paired speed comparisons."""
