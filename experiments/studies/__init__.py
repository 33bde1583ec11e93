"""Longer studies behind the pages in docs: each a command that writes its results and its page."""
