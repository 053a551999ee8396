"""Time everything that a processor can, one topic after the other, and record it.

    python -m benchmarks.speed

Both are commands of their own, with options.
"""

import subprocess
import sys

status = 0
for topic in ("everywhere", "study"):
    print(f"\n{topic}\n", flush=True)
    done = subprocess.run([sys.executable, "-m", f"benchmarks.speed.{topic}"], check=False)
    status = max(status, done.returncode)
sys.exit(status)
