"""Time everything that a processor can, one topic after the other, and record it.

    python -m benchmarks.speed

Each topic is a command of its own, `python -m benchmarks.speed.core` and so on, with options.
"""

import subprocess
import sys

TOPICS = {
    "core": ["--json", "benchmarks/results/core-cpu.json"],
    "torch_losses": ["--output", "benchmarks/results/torch-losses-cpu.json"],
    "kernel": ["--out", "benchmarks/results"],
    "study": ["--out", "benchmarks/results/study-cpu.json"],
}

for topic, options in TOPICS.items():
    print(f"\n{topic}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.speed.{topic}", *options], check=True)
