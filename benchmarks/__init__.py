"""Paired speed comparisons against naive code, peers and the machine's limit: `python -m posology.benchmarks`."""

from __future__ import annotations

# Name of each comparison -> "module:function" in this folder; the function builds a `Contest`.
BENCHMARKS: dict[str, str] = {
    "learned_vector_1024": "stepping:learned_vector",
    "learned_sb3_256": "stepping:learned_sb3",
    "lstm_training": "training:lstm_training",
    "sepsis_vector_1024": "stepping:sepsis_vector",
    "ppo_sb3_256": "learners:sb3_batched",
    "ppo_on_device_256": "learners:on_device",
    "ppo_on_device_against_sb3_256": "learners:on_device_against_batched",
    "off_policy_per_decision": "off_policy:per_decision",
    "off_policy_bootstrap": "off_policy:bootstrap",
    "fitted_q": "off_policy:fitted_q",
    "hiv_4096": "mechanistic:hiv",
    "propofol_4096": "mechanistic:propofol",
    "glucose_4096": "mechanistic:glucose",
    "hiv_solve_ivp_4096": "mechanistic:hiv_solve_ivp",
    "propofol_solve_ivp_4096": "mechanistic:propofol_solve_ivp",
    "glucose_solve_ivp_4096": "mechanistic:glucose_solve_ivp",
    "tumor_4096": "tumor:tumor",
    "pictures_256": "tumor:pictures",
    "warfarin_4096": "mechanistic:warfarin",
}
