"""Put the table of benchmarks/results/cpu.json into the README.

python -m benchmarks.readme_table
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADER = "| layer | work | batch, steps, input, hidden | ms | fastest other | times as fast | of the limit |\n"
NAMES = {
    "torch": "torch.nn", "jax": "JAX", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime",
    "onnxruntime bound": "ONNX Runtime", "loop": "Python loop", "sb3": "loop of single steps",
    "padded": "our own padded run",
}  # fmt: skip


def make_row(row: dict) -> str:
    """Return one case against the fastest other, which for `lengths=` is our own padded run."""
    family, kind, work, size = re.fullmatch(r"table (\w+) ?(.*) (train|infer) ([\d,]+)", row["name"]).groups()
    entries = row["contestants"]
    own = ("holdfast", "holdfast cpu", "holdfast freeze", "plain")
    others = {name: entry["ms"] for name, entry in entries.items() if name not in own and "ms" in entry}
    fastest = min(others, key=others.__getitem__)
    ours = entries["holdfast"]["ms"]
    times = f"{others[fastest] / ours:.2f}"
    if "holdfast freeze" in entries:
        times += f" (frozen {others[fastest] / entries['holdfast freeze']['ms']:.2f})"
    layer = f"{family.upper()} {kind}".strip()
    verb = {"train": "training", "infer": "inference"}[work]
    cells = (layer, verb, size.replace(",", ", "), f"{ours:.3g}", NAMES[fastest], times)
    return f"| {' | '.join(cells)} | {entries['holdfast']['of_limit']:.0%} |\n".replace("% |\n", " % |\n")


def main() -> None:
    record = json.loads((ROOT / "benchmarks/results/cpu.json").read_text(encoding="utf-8"))
    rows = [make_row(row) for row in record["cases"] if row["suite"] == "table"]
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    table = re.compile(re.escape(HEADER) + r"(\|[-:|]+\|\n)(?:\|.*\n)*")
    changed, count = table.subn(lambda found: HEADER + found.group(1) + "".join(rows), text)
    if count != 1:
        raise SystemExit("README.md has no table with the header that this script knows.")
    readme.write_text(changed, encoding="utf-8")
    print(f"{len(rows)} rows written.")


if __name__ == "__main__":
    main()
