"""Off-policy estimators: one file each, the formula of its paper visible."""
