"""``python tests/fuzz/compile.py``: compiles and runs mutants that load, each in a process of its own."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from harness import verdict  # noqa: E402
from mutations import recipe, seeds, write  # noqa: E402
from spare_layers import LAYERS  # noqa: E402

RUN = """
import sys, resource
import numpy as np
import sofie_jit
from sofie_jit.random_inputs import random_inputs
model = sofie_jit.load(sys.argv[1], config=sys.argv[2] or None)
if sum(np.prod([n or 1 for n in shape], dtype=object) for shape in model.input_shapes + model.output_shapes) < 1e7:
    for batch in (1, 3):
        try:
            model.infer(*random_inputs(model, batch))
        except sofie_jit.SofieError as error:
            print("refused", error)
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz/compile.py", description=__doc__)
    parser.add_argument("--survivors", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    names = [*seeds(), *(f"layer:{i}" for i in range(len(LAYERS)))]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "mutant"
        while sum(counts.values()) < options.survivors:
            made = recipe(generator, generator.choice(names))
            if any(edit[0] in ("bytes", "truncate", "splice", "cut") for edit in made["edits"]):
                continue  # those may crash HDF5's library, and this process reads them too
            try:
                if verdict(made, path)[0] != "loads":
                    continue
                config = write(made, path)
            except Exception:  # edits that contradict each other
                continue
            command = [sys.executable, "-c", RUN, str(path), config or ""]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=HERE.parents[1])
                result = f"exit status {done.returncode}" if done.returncode else "runs"
                why = done.stderr.strip().rpartition("\n")[2]
            except subprocess.TimeoutExpired:
                result, why = "hangs", ""
            counts[result] += 1
            if result != "runs":
                print(f"{result}: {why[:300]}\n  {made}"[:900], flush=True)
    print(", ".join(f"{number:,} {result}" for result, number in counts.items()))
    return int(set(counts) != {"runs"})


if __name__ == "__main__":
    sys.exit(main())
