"""A toy adapter: what a third party writes to make the core faster on its array library."""
