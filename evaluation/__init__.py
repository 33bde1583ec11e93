"""Off-policy estimates, simulator fidelity, safety, and the policy report."""
