"""Treatment policies and how they are learned."""

from __future__ import annotations

# Name of each agent -> "module:function" in this folder: fit(source, config, *, seed, progress) -> Policy.
# The source is a `LoggedData`, a `Treatment` or an SB3 `VecEnv`; its annotation and the config's say which.
AGENTS: dict[str, str] = {
    "random": "baselines:fit_random",
    "none": "baselines:fit_no_treatment",
    "most_frequent": "baselines:fit_most_frequent",
    "behavior": "behavior.fit:fit_behavior_agent",
    "behavior_logistic": "behavior.fit:fit_logistic_agent",
    "behavior_trees": "behavior.fit:fit_trees_agent",
    "behavior_nearest": "behavior.fit:fit_nearest_agent",
    "cloning": "cloning:fit_cloning",
    "double_q": "double_q:fit_double_q",
    "conservative_q": "conservative_q:fit_conservative_q",
    "batch_constrained": "batch_constrained:fit_batch_constrained",
    "implicit_q": "implicit_q:fit_implicit_q",
    "td3_bc": "td3_bc:fit_td3_bc",  # of continuous doses
    "ppo": "sb3:fit_ppo",
    "maskable_ppo": "sb3_maskable:fit_maskable_ppo",
    "dqn": "sb3_dqn:fit_dqn",
    "sac": "sb3_sac:fit_sac",  # of continuous doses
    "masked_ppo": "masked_ppo:fit_masked_ppo",
}
