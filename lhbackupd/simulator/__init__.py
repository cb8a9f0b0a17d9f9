"""A simulated Longhorn: the same REST API in front of a small cluster of its own."""
