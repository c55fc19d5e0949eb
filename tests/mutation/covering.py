"""The tests that cover each source file, from quick to slow: a mutant runs them until one fails."""

from __future__ import annotations

import ast
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from coverage import CoverageData

KERAS = "tests/frontends/keras"
ONNX = "tests/frontends/onnx"

OPERATORS = [
    "tests/ir/operators/test_onnx_nodes.py",
    "tests/ir/operators/test_onnx_attributes.py",
    "tests/passes/test_passes_levels.py::test_every_operator",
    "tests/ir/operators/test_evaluate.py",
    "tests/ir/test_rmodel.py",
    "tests/ir/test_ops.py",
]
LAYERS = [f"{KERAS}/test_options.py", f"{KERAS}/test_golden.py"]
"""After the tests of its family, these cover any layer."""
MASKS = f"{KERAS}/test_masks.py"
PACKAGES = [f"{KERAS}/test_packages.py", f"{KERAS}/test_practice.py"]
TF_OPS = [f"{KERAS}/test_tf_ops.py", f"{KERAS}/test_practice.py"]

COVERING: dict[str, list[str]] = {
    # ir/operators: those with tests of their own
    "ir/operators/quantization.py": ["tests/ir/operators/test_quantization.py", *OPERATORS],
    "ir/operators/data_dependent.py": ["tests/codegen/test_data_dependent.py", *OPERATORS],
    "ir/operators/geometry.py": [*OPERATORS, f"{KERAS}/test_convolution_transpose.py"],
    "ir/operators/hash.py": [f"{KERAS}/test_preprocessing.py", *OPERATORS],
    "ir/operators": [*OPERATORS, f"{ONNX}/test_onnx_node_tests.py"],
    "passes/fold_constants.py": ["tests/passes/test_passes_fold_constants.py", "tests/passes"],
    "passes": ["tests/passes"],
    # Keras: the families whose tests have other names
    "frontends/keras/layers/registry.py": [f"{KERAS}/test_registry.py", f"{KERAS}/test_support.py", *LAYERS],
    "frontends/keras/layers/call.py": [f"{KERAS}/test_registry.py", f"{KERAS}/test_support.py", *LAYERS],
    "frontends/keras/layers/conv_lstm.py": [f"{KERAS}/test_convlstm.py", *LAYERS],
    "frontends/keras/layers/recurrent.py": [f"{KERAS}/test_recurrent.py", MASKS, *LAYERS],
    "frontends/keras/layers/masking.py": [MASKS, *LAYERS],
    "frontends/keras/layers/self_attention.py": PACKAGES,
    "frontends/keras/layers/reshaping_spatial.py": [f"{KERAS}/test_padding.py", f"{KERAS}/test_reshaping.py", *LAYERS],
    "frontends/keras/layers/spatial.py": [
        f"{KERAS}/test_convolution.py", f"{KERAS}/test_pooling.py", f"{KERAS}/test_padding.py", *LAYERS],
    "frontends/keras/layers/categories.py": [f"{KERAS}/test_preprocessing.py", f"{KERAS}/test_feature_space.py"],
    "frontends/keras/layers/sublayers.py": [f"{KERAS}/test_wrappers.py", f"{KERAS}/test_graph.py"],
    "frontends/keras/layers/applications.py": [f"{KERAS}/test_applications.py", f"{KERAS}/test_practice.py"],
    "frontends/keras/layers/keras_ops.py": [
        f"{KERAS}/test_elementwise.py", f"{KERAS}/test_graph.py", f"{KERAS}/test_core.py", f"{KERAS}/test_practice.py",
        "tests/ir/test_ops.py"],
    **{f"frontends/keras/layers/{name}.py": PACKAGES for name in (
        "addons", "addons_cells", "efficientnet", "keras_contrib", "keras_hub", "keras_tcn", "model_optimization")},
    **{f"frontends/keras/layers/{name}.py": TF_OPS for name in ("tf_ops", "tf_graph_ops", "tf_image", "tf_shapes")},
    "frontends/keras/layers": LAYERS,
    # ONNX and PyTorch
    "frontends/onnx/nodes/microsoft.py": [f"{ONNX}/test_onnx_microsoft.py", f"{ONNX}/test_onnx_translation.py"],
    "frontends/onnx/nodes/quantized_contrib.py": [f"{ONNX}/test_onnx_quantized.py", f"{ONNX}/test_onnx_microsoft.py"],
    "frontends/onnx/nodes/quantization.py": [
        f"{ONNX}/test_onnx_quantized.py", f"{ONNX}/test_onnx_node_tests.py", f"{ONNX}/test_onnx_translation.py"],
    **{f"frontends/onnx/nodes/{name}.py": [f"{ONNX}/test_onnx_ml.py", f"{ONNX}/test_onnx_node_tests.py"] for name in (
        "linear_models", "preprocessing", "scores", "trees")},
    "frontends/onnx/nodes/qonnx.py": [f"{ONNX}/test_onnx_qonnx.py"],
    "frontends/onnx/nodes/control.py": [
        f"{ONNX}/test_onnx_control.py", f"{ONNX}/test_onnx_loops.py", f"{ONNX}/test_onnx_node_tests.py"],
    "frontends/onnx/nodes": [
        f"{ONNX}/test_onnx_node_tests.py", f"{ONNX}/test_onnx_translation.py",
        f"{ONNX}/test_onnx_general_convolution.py", f"{ONNX}/test_onnx_control.py",
        f"{ONNX}/test_onnx_surface.py", f"{ONNX}/test_onnx_narrow.py"],
    "frontends/pytorch/aten": [
        "tests/frontends/pytorch/test_pytorch_golden.py", "tests/frontends/pytorch/test_pytorch_modules.py",
        "tests/frontends/pytorch/test_pytorch_files.py"],
    "models/arguments.py": [
        "tests/models/test_model.py", "tests/jit/test_fast_call.py", "tests/models/test_predict.py",
        "tests/models/test_open_sizes.py", "tests/models/test_parallel.py"],
}  # fmt: skip
"""A file or folder of sofie_jit -> its tests. The longest entry that matches a file counts."""


def covering(path: Path) -> list[str]:
    """The tests for a file, by its path relative to ``sofie_jit``.

    Raises
    ------
    KeyError
        If no entry of the table matches.
    """
    for name in (path.as_posix(), *(parent.as_posix() for parent in path.parents)):
        if name in COVERING:
            own = f"{KERAS}/test_{path.stem}.py"
            more = [own] if name == "frontends/keras/layers" and Path(own).exists() else []
            return [*more, *COVERING[name]]
    raise KeyError(f"tests/mutation/covering.py names no tests of {path}")


def affected(code: str, line: int) -> range:
    """The lines that a change of one line affects: its statement, or the function of a signature or decorator."""
    smallest = range(line, line + 1)
    for node in ast.walk(ast.parse(code)):  # outer statements come first
        if not isinstance(node, ast.stmt) or node.end_lineno is None:
            continue
        start = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        body = getattr(node, "body", None)
        end = body[0].lineno if body else node.end_lineno + 1
        if line in range(start, end):
            smallest = range(start, node.end_lineno + 1 if isinstance(node, ast.FunctionDef) else end)
    return smallest


class Executing:
    """The tests that execute a line, as pytest-cov has recorded them on the unchanged code.

    ``file``: the database that ``pytest --cov --cov-context=test`` writes.
    ``most``: the largest number of tests of a line; they are chosen evenly among all that execute it.
    """

    def __init__(self, file: Path, most: int):
        self._data = CoverageData(basename=str(file))
        self._data.read()
        self._most = most

    def tests(self, path: Path, line: int) -> list[str]:
        """The tests of a line in the order of :func:`covering`; none if only importing the file executes it."""
        by_line = self._data.contexts_by_lineno(str(path.absolute()))
        lines = by_line.keys() & affected(path.read_text(), line)
        found = {context.rpartition("|")[0] for number in lines for context in by_line[number] if context}
        order = [name.partition("::")[0] for name in covering(path.relative_to("sofie_jit"))]
        ranks = {name: rank for rank, name in reversed(list(enumerate(order)))}
        ordered = sorted(found, key=lambda test: (ranks.get(test.partition("::")[0], len(order)), test))
        step = max(1, -(-len(ordered) // self._most))
        return ordered[::step]


def as_argument(tests: Sequence[str]) -> str:
    """An argument of pytest that stands for these tests; their names may be too long for a command."""
    with tempfile.NamedTemporaryFile("w", prefix="tests_", suffix=".txt", delete=False) as file:
        file.write("\n".join(tests))
    return shlex.quote(f"@{file.name}")
