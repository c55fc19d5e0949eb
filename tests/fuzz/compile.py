"""``python tests/fuzz/compile.py survivors.jsonl``: compiles and runs mutants that load, in other processes."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import numpy as np  # noqa: E402
from mutations import all_seeds, is_raw, numbered, write  # noqa: E402

TOGETHER = 25
"""Programs that one process compiles and runs in sequence."""
LARGEST = 10**7
"""Elements per row of a model's tensors above which it is compiled but not run."""
SECONDS = 60
"""Processor seconds for one program."""
BYTES = 4 << 30


def run(recipe: dict[str, Any], path: Path) -> str:
    """Compiles and runs one mutant; returns the outcome."""
    import sofie_jit
    from sofie_jit.verification.random_inputs import random_inputs

    config = write(recipe, path)
    try:
        model = sofie_jit.load(path, config=config)
        network = model._execution.lowered
        kinds = [
            *network.inputs.values(),
            *(network.tensor_type(n) for op in network.operators for n in op.outputs if n),
        ]
        if max(np.prod([n if isinstance(n, int) else 1 for n in kind.shape], dtype=object) for kind in kinds) > LARGEST:
            return "compiles, too large to run"
        fixed = model.input_shapes[0][0]
        rows = random_inputs(model, fixed or 3)
        whole = model.infer(rows)
        if fixed is None and model._execution.session.code.tiled:  # its rows are independent of each other
            model.infer([x[:0] for x in rows])
            first = model.infer([x[:1] for x in rows])
            listed = [
                list(y.values()) if isinstance(y, dict) else y if isinstance(y, list) else [y] for y in (whole, first)
            ]
            for many, one in zip(*listed, strict=True):
                if len(many) == 3 and many[:1].tobytes() != one.tobytes():
                    return "A ROW'S BITS DEPEND ON THE BATCH"
    except sofie_jit.SofieError as error:
        return "refuses" if path.name in str(error) else f"refuses: {type(error).__name__}"
    return "runs"


def child() -> None:
    """Reads recipes as lines; writes a line before and after each."""
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            result = run(json.loads(line), Path(sys.argv[2]))
        except Exception as error:
            result = f"FAILS {type(error).__name__}: {error}"
        print(json.dumps(result[:300]), flush=True)


def main() -> int:
    if sys.argv[1:2] == ["child"]:
        return child() or 0
    parser = argparse.ArgumentParser(prog="python tests/fuzz/compile.py", description=__doc__)
    parser.add_argument("survivors", type=Path, nargs="?", help="recipes, a line each; without it new ones are made")
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    if options.survivors:
        recipes = [json.loads(line) for line in options.survivors.read_text().splitlines()]
    else:
        names = [name for name in all_seeds() if name.startswith("layer:")]
        recipes = [made for made in (numbered(0, i, names) for i in range(4 * options.programs)) if not is_raw(made)]
    recipes = recipes[options.start :][: options.programs]
    counts: Counter[str] = Counter()
    done = 0
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, str(Path(__file__)), "child", str(Path(directory) / "mutant")]
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        while done < len(recipes):
            turn = recipes[done : done + TOGETHER]
            given = "".join(json.dumps(recipe) + "\n" for recipe in turn)
            ran = subprocess.run(command, input=given, capture_output=True, text=True, env=environment)
            results = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('"')]
            if len(results) < len(turn):
                last = ran.stderr.strip().rpartition("\n")[2][:200]
                results.append("HANGS" if ran.returncode == -signal.SIGPROF else f"DIES ({ran.returncode}): {last}")
            for recipe, result in zip(turn, results, strict=False):
                counts[result.partition(":")[0]] += 1
                if result.partition(" ")[0].isupper():
                    print(f"{result}\n  {json.dumps(recipe)}"[:1200], flush=True)
            done += len(results)
            if done % 100 < TOGETHER:
                print(f"{done:,}: " + ", ".join(f"{n:,} {what}" for what, n in counts.most_common()), flush=True)
    print(f"{done:,} programs: " + ", ".join(f"{number:,} {result}" for result, number in counts.most_common()))
    return int(any(result.partition(" ")[0].isupper() for result in counts))


if __name__ == "__main__":
    sys.exit(main())
