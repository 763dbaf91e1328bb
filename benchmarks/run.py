"""Run all benchmarks; `make bench` starts this. Results are written to benchmarks/results/."""

from __future__ import annotations

import subprocess
import sys

MODULES = (
    "multvae_epoch",
    "epochs_ml1m",
    "compare_ml1m",
    "ratings_ml1m",
    "refeeding_ml1m",
    "new_users_ml1m",
    "ties",
    "import_rows",
    "recommendation_latency_ml1m",
    "pages",
)

if __name__ == "__main__":
    for module in MODULES:
        print(f"== {module}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], check=True)
