"""What comes out of a study: tables, intervals, tests and figures."""
