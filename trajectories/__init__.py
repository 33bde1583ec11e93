"""Health-record events in, batches of patient trajectories out; noise, rollouts, conversions."""
