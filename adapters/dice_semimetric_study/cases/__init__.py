"""A case: which files belong to it, whose it is, and how it is read."""
