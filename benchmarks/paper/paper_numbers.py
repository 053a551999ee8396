"""The paper's own numbers, in percent, by table: {(row, column): number}, as they stand there.

Source: Wang et al., "Dice Semimetric Losses", MICCAI 2023, arXiv 2303.16296. The text at hand had
lost the lines of Tables 1 and 3, and some numbers in bold had moved within their row of Table 1.
Those are put back that the paper settles elsewhere (Sect. 3.4, Table 2, the means in the row "All":
the last two rows' and Brain tumor T1's BDice); others may still stand in a wrong column. What could
not be read in Table 3 is absent.
"""

from .sources import QUBIQ

LABELS = ("Majority", "Random", "Uniform", "Weighted", "LS")
RIVALS = ("Dropout", "Multi-head", "MRNet", "SoftSeg", "Ours")
LOSS_COLUMNS = ("Hard", "SDL", "DML1", "DML2")
TERMS = ("Hard", "CE", "DML", "KDE")
BANDWIDTHS = ("0", "5e-05", "0.0001", "0.0005", "0.001", "0.005", "0.01")
_KINDS = tuple(f"{name} | {kind}" for name in ("LiTS", "KiTS") for kind in ("Hard", "LS", "KD"))

#: The columns of each table, and its rows; "-" stands for what cannot be read.
_TABLES: dict[int, tuple[tuple[str, ...], str]] = {
    1: (
        LABELS,
        """
        Prostate T1 | Dice: 95.71 95.65 95.80 95.74 95.99
        Prostate T1 | BDice: 94.72 95.15 95.19 95.37 94.91
        Prostate T1 | ECE: 0.51 0.39 0.22 0.20 0.36
        Prostate T2 | Dice: 89.82 89.39 88.87 89.57 89.79
        Prostate T2 | BDice: 88.31 88.23 89.35 89.66 88.85
        Prostate T2 | ECE: 0.52 0.47 0.26 0.25 0.41
        Brain growth | Dice: 91.09 90.65 90.94 91.46 91.23
        Brain growth | BDice: 88.72 88.81 89.89 90.40 89.88
        Brain growth | ECE: 1.07 0.85 0.27 0.34 0.41
        Brain tumor T1 | Dice: 86.46 87.24 87.74 87.78 87.84
        Brain tumor T1 | BDice: 86.59 86.67 86.91 86.92 85.74
        Brain tumor T1 | ECE: 0.62 0.55 0.38 0.36 0.37
        Brain tumor T2 | Dice: 58.58 48.86 52.42 61.01 61.23
        Brain tumor T2 | BDice: 38.68 49.19 55.11 44.23 40.61
        Brain tumor T2 | ECE: 0.25 0.81 0.74 0.26 0.22
        Brain tumor T3 | Dice: 53.54 54.64 53.45 56.75 57.01
        Brain tumor T3 | BDice: 52.33 53.53 51.98 53.90 55.26
        Brain tumor T3 | ECE: 0.17 0.17 0.14 0.09 0.11
        Kidney | Dice: 62.96 68.10 71.33 76.18 71.21
        Kidney | BDice: 62.47 67.69 70.82 75.67 70.41
        Kidney | ECE: 0.78 0.88 0.67 0.62 0.53
        All | Dice: 76.80 76.30 77.31 79.85 79.15
        All | BDice: 72.99 75.59 77.00 76.59 75.26
        All | ECE: 0.57 0.57 0.38 0.29 0.35
        """,
    ),
    2: (
        RIVALS,
        """
        Prostate T1: 94.91 95.18 95.21 95.02 95.37
        Prostate T2: 88.43 88.32 88.65 88.81 89.66
        Brain growth: 88.86 89.01 89.24 89.36 90.40
        Brain tumor T1: 85.98 86.45 86.33 86.41 86.92
        Brain tumor T2: 48.04 51.17 51.82 52.56 55.11
        Brain tumor T3: 52.49 53.68 54.22 52.43 53.90
        Kidney: 66.53 68.00 68.56 69.83 75.67
        All: 75.03 75.97 76.18 76.34 78.14
        """,
    ),
    3: (
        _KINDS,
        """
        UNet-ResNet50 | Dice: 59.79 60.59 - 72.66 73.92 -
        UNet-ResNet18 | Dice: 57.92 - 60.30 67.96 - 71.34
        UNet-ResNet18 | ECE: - - - 0.44 - -
        UNet-EfficientNetB0 | Dice: 56.90 57.66 60.11 70.31 71.12 71.73
        UNet-EfficientNetB0 | ECE: 0.56 0.47 0.52 0.39 0.35 0.39
        UNet-MobileNetV2 | Dice: 56.16 57.20 58.92 67.46 68.19 68.85
        UNet-MobileNetV2 | ECE: 0.54 0.48 0.50 0.42 0.38 0.41
        DL3+-ResNet18 | Dice: 56.10 57.07 59.12 69.95 70.61 70.80
        DL3+-ResNet18 | ECE: 0.53 0.50 0.52 0.40 0.38 0.40
        """,
    ),
    4: (
        LOSS_COLUMNS,
        """
        QUBIQ: 72.99 73.79 76.59 76.42
        LiTS: 57.92 58.12 59.31 59.12
        KiTS: 67.96 68.26 69.29 69.07
        """,
    ),
    5: (
        TERMS,
        """
        LiTS: 57.92 58.23 59.31 60.30
        KiTS: 67.96 68.14 69.29 71.34
        """,
    ),
    6: (
        QUBIQ,
        """
        Dice: 96.49 92.17 91.2 95.44 68.73 92.71 97.41
        """,
    ),
    7: (
        ("QUBIQ", "LiTS", "KiTS"),
        """
        CE: 74.97 57.76 68.52
        DML: 76.80 59.79 72.66
        """,
    ),
    8: (
        BANDWIDTHS,
        """
        LiTS: 59.31 59.05 59.07 59.97 60.30 59.56 59.62
        KiTS: 69.29 69.05 69.80 70.41 71.34 68.75 69.18
        """,
    ),
}


def numbers(table: int) -> dict[tuple[str, str], float]:
    """Return a table's numbers; a row or column of two heads is joined by " | "."""
    columns, text = _TABLES[table]
    rows = (line.strip().split(": ") for line in text.strip().splitlines())
    return {
        (row, column): float(number)
        for row, values in rows
        for column, number in zip(columns, values.split(), strict=True)
        if number != "-"
    }
