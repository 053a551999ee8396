"""A case's statistics and scores, and their summary over a study."""
