"""``python tests/mutation``: draws mutants of the Python code and runs the tests that cover each. See README.md."""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import random
import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.commands import init
from cosmic_ray.modules import find_modules
from cosmic_ray.mutating import mutate_and_test, mutate_code
from cosmic_ray.testing import run_tests
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import MutationSpec, TestOutcome
from covering import Executing, as_argument, covering

SOURCES = [
    Path("sofie_jit") / name
    for name in (
        "ir/operators",
        "passes",
        "frontends/keras/layers",
        "frontends/onnx/nodes",
        "frontends/pytorch/aten",
        "models/arguments.py",
    )
]
TIMEOUT = 1800.0
"""Seconds for the tests of a mutant. Mutants that loop forever are counted as caught; the report tells how many."""


class _WithoutAnnotations(ast.NodeTransformer):
    """Removes annotations and docstrings, which are not executed."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return ast.copy_location(ast.AnnAssign(node.target, ast.Constant(""), node.value, node.simple), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def meaning(code: str) -> str:
    """The code as it is executed; '' if it has a syntax error."""
    try:
        return ast.dump(_WithoutAnnotations().visit(ast.parse(code)))
    except SyntaxError:
        return ""


def mutated(spec: MutationSpec) -> str:
    """The file of a mutant."""
    operator = plugins.get_operator(spec.operator_name)(**spec.operator_args)
    return str(mutate_code(spec.module_path.read_text(), operator, spec.occurrence))


def drawn(seed: int) -> Iterator[MutationSpec]:
    """Mutants in random order, one for each place that can be mutated; those that change nothing are left out."""
    everything = WorkDB(":memory:", WorkDB.Mode.create)
    init(sorted(find_modules(SOURCES)), everything, {})
    places: dict[tuple[str, tuple[int, int]], list[MutationSpec]] = defaultdict(list)
    for item in everything.work_items:
        (spec,) = item.mutations
        places[str(spec.module_path), spec.start_pos].append(spec)
    choose = random.Random(seed)
    order = sorted(places)
    choose.shuffle(order)
    print(f"{len(order)} places can be mutated", flush=True)
    for place in order:
        spec = choose.choice(sorted(places[place], key=lambda spec: (spec.operator_name, spec.occurrence)))
        if meaning(mutated(spec)) not in ("", meaning(spec.module_path.read_text())):
            yield spec


def test_command(path: Path, options: argparse.Namespace, tests: Sequence[str]) -> str:
    """The command that runs these tests, or all that cover a file."""
    executable = options.torch_python if "pytorch" in path.parts else options.python
    command = shlex.join([executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"])
    return f"{command} {as_argument(tests) if tests else shlex.join(covering(path.relative_to('sofie_jit')))}"


def difference(spec: MutationSpec) -> str:
    """The changed lines of a mutant."""
    old, new = spec.module_path.read_text().splitlines(), mutated(spec).splitlines()
    lines = difflib.unified_diff(old, new, lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"), help="where results are kept")
    parser.add_argument("--again", action="store_true", help="run the mutants that survived again")
    parser.add_argument("--list", action="store_true", help="only print the mutants")
    parser.add_argument("--python", default=sys.executable, help="the Python that runs the tests")
    parser.add_argument("--torch-python", default=sys.executable, help="the Python that runs the tests of PyTorch")
    parser.add_argument("--coverage", type=Path, metavar="FILE", help="run only tests that execute the changed line")
    parser.add_argument("--most", type=int, default=60, help="of these, the largest number (default 60)")
    options = parser.parse_args()
    executing = Executing(options.coverage, options.most) if options.coverage else None
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    results = {entry["mutant"]: entry for entry in map(json.loads, lines)}
    for number, spec in zip(range(options.count), drawn(options.seed), strict=False):
        name = f"{spec.module_path}:{spec.start_pos[0]}:{spec.start_pos[1]} {spec.operator_name}"
        if options.list:
            print(f"{number}: {name}\n{difference(spec)}")
            continue
        if name in results and not (options.again and results[name]["outcome"] == "survived"):
            continue
        entry = {"number": number, "mutant": name, "difference": difference(spec)}
        tests = executing.tests(spec.module_path, spec.start_pos[0]) if executing else []
        command = test_command(spec.module_path, options, tests)
        result = mutate_and_test([spec], command, TIMEOUT)
        output = result.output or ""
        failed = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR", "timeout"))]
        survived = result.test_outcome == TestOutcome.SURVIVED
        entry |= {"outcome": "survived" if survived else "caught", "by": failed[-1][:200] if failed else output[-200:]}
        results[name] = entry
        with options.results.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(f"{number}: {entry['outcome']} {name}", *([entry["difference"]] if survived else []), flush=True)
    print(Counter(entry["outcome"] for entry in results.values()))
    return 0 if options.list else check_unchanged(results, options)


def check_unchanged(results: dict[str, dict[str, str]], options: argparse.Namespace) -> int:
    """Runs the tests on the unchanged code where no survivor has shown that they pass."""
    commands: dict[str, bool] = defaultdict(bool)
    for name, entry in results.items():
        path = Path(name.partition(":")[0])
        commands[test_command(path, options, [])] |= entry["outcome"] == "survived"
    for command in sorted(command for command, passes in commands.items() if not passes):
        outcome, output = run_tests(command, TIMEOUT)
        if outcome != TestOutcome.SURVIVED:
            print(f"fails without a mutation: {command}\n{output[-2000:]}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
