"""The networks of the experiments, and what those of the paper are made of."""
