"""Print the folder that nnU-Net looks for trainers in."""

from pathlib import Path

if __name__ == "__main__":
    print(Path(__file__).parent)
