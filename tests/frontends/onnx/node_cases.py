"""ONNX's own tests of operators, exporters and networks, and the table of those that are refused.

``python tests/frontends/onnx/node_cases.py`` writes the table anew.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader

from sofie_jit import frontends, load
from sofie_jit.errors import SofieError
from sofie_jit.frontends.base import Translation, ValuesNeededError
from sofie_jit.frontends.fixed_sizes import FixedSizes
from sofie_jit.ir.dims import names_of
from sofie_jit.ir.rmodel import RModel
from sofie_jit.verification.evaluate import evaluate

TABLE = Path(__file__).parent / "refused_nodes.txt"
KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted")
TYPES = {
    "float16",
    "float32",
    "float64",
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
"""Element types of inputs and outputs of numeric tests."""


@dataclass(frozen=True)
class NodeCase:
    """A test: a model with inputs and outputs."""

    name: str
    test: Any
    """ONNX's TestCase; up to ONNX 1.22 it has the path of files, later the model and arrays."""

    @functools.cached_property
    def message(self) -> onnx.ModelProto:
        return self.test.model or onnx.load(Path(self.test.model_dir) / "model.onnx")

    @property
    def is_numeric(self) -> bool:
        """Whether all inputs and outputs are tensors of numbers or truth values."""
        infos = [*self.message.graph.input, *self.message.graph.output]
        return all(
            info.type.WhichOneof("value") == "tensor_type"
            and info.type.tensor_type.elem_type in onnx.TensorProto.DataType.values()
            and onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type).name in TYPES
            for info in infos
        )

    def data_sets(self) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
        """Inputs and expected outputs."""
        if self.test.model_dir is None:
            yield from (([_array(v) for v in given], [_array(v) for v in made]) for given, made in self.test.data_sets)
            return
        for folder in sorted(Path(self.test.model_dir).glob("test_data_set_*")):
            yield _arrays(folder, "input"), _arrays(folder, "output")

    def path(self, folder: str | Path) -> Path:
        """The file of the model."""
        if self.test.model_dir is not None:
            return Path(self.test.model_dir) / "model.onnx"
        path = Path(folder) / "model.onnx"
        path.write_bytes(self.message.SerializeToString())
        return path

    def check(self, got: list[np.ndarray], expected: list[np.ndarray]) -> None:
        for result, other in zip(got, expected, strict=True):
            assert (result.shape, result.dtype) == (other.shape, other.dtype), self.name
            scale = np.abs(other[np.isfinite(other)]).max(initial=0) if other.dtype.kind == "f" else 0
            # float16: expected values of several nodes were not rounded after each of them
            rounding = 2.0**-9 if result.dtype == np.float16 else 0.0
            atol = max(self.test.atol, rounding, 1e-6 * scale)  # expected numbers may be rounding errors of zeros
            np.testing.assert_allclose(result, other, max(self.test.rtol, rounding), atol, err_msg=self.name)


def _array(value: Any) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _arrays(folder: Path, kind: str) -> list[np.ndarray]:
    paths = itertools.takewhile(Path.exists, (folder / f"{kind}_{index}.pb" for index in itertools.count()))
    return [numpy_helper.to_array(onnx.load_tensor(path)) for path in paths]


@functools.cache
def all_cases() -> list[NodeCase]:
    """All tests, also those of sequences, strings and optional tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the functions that compute expected outputs
        return [NodeCase(f"{kind}/{t.name}", t) for kind in KINDS for t in loader.load_model_tests(kind=kind)]


@functools.cache
def cases() -> dict[str, NodeCase]:
    """The numeric tests by name."""
    return {case.name: case for case in all_cases() if case.is_numeric}


def version() -> str:
    """The version of the onnx package whose tests the table lists."""
    return TABLE.read_text().splitlines()[0].removeprefix("# onnx ")


def refused() -> dict[str, str]:
    """The table: name of a test -> why it is refused."""
    lines = TABLE.read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith("#"))


def _translated(translation: Translation, shapes: list[tuple[int, ...]]) -> RModel:
    """The network for inputs of these shapes. Raises ValuesNeededError before the shapes are looked at."""
    try:
        translation()
    except ValuesNeededError:
        raise
    except SofieError:
        pass  # the sizes may be needed
    dims = [dim for kind in translation.inputs.values() for dim in kind.shape]
    sizes = itertools.chain.from_iterable(shapes)
    return FixedSizes(translation, {str(d): n for d, n in zip(dims, sizes, strict=True) if names_of([d])})()


def _evaluate(translation: Translation, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs in numpy, for the shapes of ``given``, and the values where the translation needs them."""
    is_open = any(names_of(kind.shape) for kind in translation.inputs.values())
    shapes = [array.shape for array in given.values()]
    try:
        rmodel = _translated(translation, shapes) if is_open else translation()
    except ValuesNeededError as error:
        rest = {name: array for name, array in given.items() if name not in error.names}
        return _evaluate(translation.with_values({name: given[name] for name in error.names}), rest)
    return evaluate(rmodel, list(given.values()))


def problem(case: NodeCase, compiled: bool = False) -> str:
    """The first problem for which the case is refused, '' if it passes; by default it is evaluated in numpy."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            path = case.path(folder)
            model = load(path) if compiled else None
            translation = frontends.open(path)
            for inputs, outputs in case.data_sets():
                given = dict(zip(translation.inputs, inputs, strict=False))
                if model is None:
                    case.check(_evaluate(translation, given), outputs)
                else:
                    got = model.infer(given)
                    case.check(got if isinstance(got, list) else [got], outputs)
        except SofieError as error:
            return str(error).replace(str(path), "").lstrip(": '\n").splitlines()[0]
    return ""


if __name__ == "__main__":
    problems = {name: problem(case) for name, case in sorted(cases().items())}
    lines = [f"{name}: {reason}" for name, reason in problems.items() if reason]
    head = [
        f"# onnx {onnx.__version__}",
        "# ONNX's tests with numeric inputs and outputs that are refused, and why; all others pass. node_cases.py",
        "# writes this table.",
    ]
    TABLE.write_text("\n".join([*head, *lines]) + "\n")
    print(f"{len(problems) - len(lines)} of {len(problems)} pass")
