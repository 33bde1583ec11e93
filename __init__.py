"""Posology: learned patient simulators, treatment policies, and their honest evaluation."""
