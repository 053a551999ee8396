"""A case: which files belong to it, which patient it is of, and how it is read."""
