"""Each case once: who does the work, what is recorded of it, and how a run resumes."""
