"""One label from the masks of several raters."""
