"""Run the benchmarks; results are written to benchmarks/results/.

python -m benchmarks.run          speed, seconds to quality, scaling, and the card if there is one (`make bench`)
python -m benchmarks.run --all    the measurements of docs/measurements.md as well (`make bench-all`)
"""

from __future__ import annotations

import subprocess
import sys
import time

import torch

SPEED = ("speed", "quality", "scaling")
ON_CARD = ("gpu",)
MEASUREMENTS = (
    "multvae_epoch",
    "epochs_ml1m",
    "compare_ml1m",
    "ratings_ml1m",
    "refeeding_ml1m",
    "new_users_ml1m",
    "rdlae_ml1m",
    "sparse_ease",
    "ties",
    "import_rows",
    "recommendation_latency_ml1m",
    "pages",
)


def main() -> None:
    """Run the modules, each in a process of its own; a failure does not stop the others."""
    modules = [*SPEED, *(ON_CARD if torch.cuda.is_available() else ())]
    modules += MEASUREMENTS if "--all" in sys.argv else ()
    failed = []
    for module in modules:
        print(f"== {module}", flush=True)
        started = time.perf_counter()
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], check=False).returncode
        print(f"== {module}: {time.perf_counter() - started:.0f} s", flush=True)
        failed += [module] if status else []
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
