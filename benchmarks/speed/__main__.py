"""Time everything that a processor can, one topic after the other, and record it.

    python -m benchmarks.speed

Both are commands of their own, with options.
"""

import subprocess
import sys

for topic in ("everywhere", "study"):
    print(f"\n{topic}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.speed.{topic}"], check=True)
