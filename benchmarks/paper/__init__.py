"""The paper's experiments, on its data sets and on others."""
