"""Print a CSV of ten years of monthly sales in three shops: a table to try `holdfast forecast` on."""

from __future__ import annotations

import argparse
import csv
import math
import random
import sys

MONTHS = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="three years instead of ten")
    months = 36 if parser.parse_args().tiny else MONTHS
    draw = random.Random(0)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["shop", "month", "sales"])
    for shop, size in (("harbour", 900.0), ("market", 400.0), ("station", 150.0)):
        level = size
        for month in range(months):
            level *= 1.004 + 0.02 * draw.gauss(0, 1)
            season = 1 + 0.3 * math.sin(2 * math.pi * (month - 3) / 12) + (0.5 if month % 12 == 11 else 0.0)
            sales = level * season * (1 + 0.04 * draw.gauss(0, 1))
            table.writerow([shop, f"{2015 + month // 12}-{month % 12 + 1:02d}-01", f"{sales:.1f}"])


if __name__ == "__main__":
    main()
