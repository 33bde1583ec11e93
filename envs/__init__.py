"""Treatments: a patient with actions, reward and constraints, and its Gymnasium and SB3 shells."""
