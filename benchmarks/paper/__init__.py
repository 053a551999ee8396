"""The paper's experiments on data sets in the layout of QUBIQ."""
