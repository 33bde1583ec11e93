"""Treatment policies and how they are learned."""
