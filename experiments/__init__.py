"""Configs, the runner and the command line."""
