"""RModels saved as ONNX files: onnx.checker accepts them, and ONNX Runtime computes the same numbers."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from operator_cases import CASES, Case, feed, model_of
from sofie_jit import RModel, frontends
from sofie_jit.codegen.stored_network import decode_network, encode_network
from sofie_jit.demo import MODEL_FILE
from sofie_jit.errors import OptionError, UnsupportedLayerError
from sofie_jit.export.onnx import file as onnx_file
from sofie_jit.export.onnx.nodes.registry import NOT_FLOAT64, REFUSED
from sofie_jit.ir.dims import SymbolicDim, ceil_div, maximum, minimum
from sofie_jit.ir.operators import all_operators
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.math import BitShiftLeft, BitShiftRight
from sofie_jit.ir.operators.normalization import InstanceNormalization
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.passes.pipeline import lower
from sofie_jit.passes.restore_operators import RESTORED
from sofie_jit.verification.difference import TOLERANCE as ABSOLUTE
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate
from sofie_jit.verification.random_inputs import draw_inputs

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "fuzz"), str(TESTS / "frontends" / "keras")]
from spare_layers import LAYERS, spare_file  # noqa: E402

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
onnxruntime.set_default_logger_severity(4)

NOT_RUN = {
    "AveragePool: dilations": "Pad should be smaller than kernel",
    "MaxPool: dilations": "Pad should be smaller",
    "RoiAlign": "Non-zero status code returned while running RoiAlign node",  # for regions that end before they begin
}
"""Cases that ONNX Runtime refuses with these words, though the files are valid."""


def saved(rmodel: RModel, path: Path) -> Path:
    rmodel.save_onnx(path)
    onnx.checker.check_model(path, full_check=True)
    return path


def saved_twice(rmodel: RModel, folder: Path) -> list[Path]:
    """The files of a network, and of the network in its compiled library."""
    lowered = lower(rmodel)
    library = decode_network(json.loads(json.dumps(encode_network(lowered))), lowered.initialized)
    return [saved(rmodel, folder / "m.onnx"), saved(library, folder / "library.onnx")]


def run(path: Path, inputs: dict[str, Any]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    results: list[np.ndarray] = session.run(None, inputs)
    return results


def check_file(path: Path, rmodel: RModel, inputs: dict[str, Any], what: str, factor: float = 2) -> None:
    """ONNX Runtime's results of the file by the rule of tests/tolerance.py.

    They lie within 1e-6 of a float64 evaluation of the RModel, relative to the scale of the output, or are no further
    from it than ``factor`` times numpy's in float32. Integers are equal.
    """
    results, arrays = run(path, inputs), list(inputs.values())
    with np.errstate(all="ignore"):
        exact, single = evaluate(rmodel, arrays, "float64"), evaluate(rmodel, arrays)
    assert len(results) == len(single)
    for got, want, rounded in zip(results, exact, single, strict=True):
        assert (got.shape, got.dtype) == (rounded.shape, rounded.dtype), what
        if got.dtype.kind == "f":
            assert distance(got, want) <= max(factor * distance(rounded, want), ABSOLUTE), what
        else:
            assert np.array_equal(got, rounded), what


def check(results: list[np.ndarray], expected: list[np.ndarray], what: str) -> None:
    """Results are equal, those of floating point within 1e-6 of the scale."""
    assert len(results) == len(expected)
    for got, want in zip(results, expected, strict=True):
        assert (got.shape, got.dtype) == (want.shape, want.dtype), what
        assert distance(got, want) <= (ABSOLUTE if got.dtype.kind == "f" else 0), what


def named(rmodel: RModel, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(rmodel.inputs, inputs, strict=True))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_operator(case: Case, tmp_path: Path) -> None:
    rmodel = model_of([case], "float32")
    if case.operator.op_type in REFUSED:
        with pytest.raises(UnsupportedLayerError, match=REFUSED[case.operator.op_type]):
            rmodel.save_onnx(tmp_path / "m.onnx")
        return
    for path in saved_twice(rmodel, tmp_path):
        if case.name in NOT_RUN:
            with pytest.raises(Exception, match=NOT_RUN[case.name]):
                run(path, feed([case], "float32"))
            continue
        for rows in (5,) if case.fixed else (5, 1):
            check_file(path, rmodel, feed([case], "float32", rows), f"{path.stem}, {rows} rows")


ATTRIBUTES = {"Elu", "Erfinv", "HardSigmoid", "HardSwish", "LeakyRelu", "Selu", "Shrink"}
"""Operators with numbers among their attributes, which ONNX stores in float32."""


@pytest.mark.slow
def test_float64(tmp_path: Path) -> None:
    """Every operator in float64, as far as ONNX Runtime implements it."""
    compared = 0
    for case in CASES:
        if case.operator.op_type in REFUSED.keys() | NOT_FLOAT64 or case.name in NOT_RUN:
            continue
        rmodel, inputs = model_of([case], "float64"), feed([case], "float64")
        path = saved(rmodel, tmp_path / "m.onnx")
        try:
            results = run(path, inputs)
        except Exception as error:  # ONNX Runtime has no common class of errors
            if "NOT_IMPLEMENTED" in str(error) or "does not support double" in str(error):
                continue
            raise
        with np.errstate(all="ignore"):
            expected = evaluate(rmodel, list(inputs.values()))
        for got, want in zip(results, expected, strict=True):
            assert (got.shape, got.dtype) == (want.shape, want.dtype), case.name
            limit = 1e-7 if case.operator.op_type in ATTRIBUTES else 1e-9  # ONNX Runtime's normalizations
            assert distance(got, want) <= (limit if got.dtype.kind == "f" else 0), case.name
        compared += 1
    assert compared > 200


def test_operators_without_float64_are_refused(tmp_path: Path) -> None:
    for case in CASES:
        if case.operator.op_type in NOT_FLOAT64:
            with pytest.raises(UnsupportedLayerError, match=f"{case.operator.op_type}.*: ONNX defines it for float32"):
                model_of([case], "float64").save_onnx(tmp_path / "m.onnx")


def test_every_operator_is_tried() -> None:
    abstract = {name for name, op in all_operators().items() if op.infer is ROperator.infer or name in BASES}
    assert set(all_operators()) - abstract - {case.operator.op_type for case in CASES} == set()


def test_every_lowered_operator_is_restored() -> None:
    def below(kind: type[ROperator]) -> set[type[ROperator]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    lowered = {kind for kind in below(ROperator) if kind.__module__.startswith("sofie_jit.codegen.")}
    assert len(lowered) > 10
    assert {kind.__name__ for kind in lowered if not issubclass(kind, tuple(RESTORED))} == set()


BASES = {
    "Activation", "AlongAxis", "Binary", "Broadcasting", "Comparison", "GlobalPool", "OfIntegers", "PickOperator",
    "Pool", "Recurrent", "Reduce", "RowNormalization", "Scaled", "Unary", "Variadic",
}  # fmt: skip


FILES = sorted(
    p for p in (TESTS / "golden").glob("keras*/*") if p.suffix in (".h5", ".keras") and "weights" not in p.name
)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_keras_files(path: Path, tmp_path: Path) -> None:
    rmodel = frontends.open(path)()
    for out in saved_twice(rmodel, tmp_path):
        for rows in (1, 3):
            check_file(out, rmodel, named(rmodel, draw_inputs(rmodel, rows)), f"{path.name}, {out.stem}")


ELSEWHERE = {
    "Hashing": "ONNX does not hash integers",
    "Lambda": "it holds Python code",
    "evil_package>Evil": "custom class",
    "STFTSpectrogram": "there are no weights",
}
"""Layers of the fuzzer that are refused, here or by the reader, and the words of the message."""


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[layer for _, layer, *_ in LAYERS])
def test_one_layer_files(number: int, tmp_path: Path) -> None:
    """The layers of the fuzzer."""
    layer, source = LAYERS[number][1], tmp_path / "m.h5"
    source.write_bytes(spare_file(number))
    if layer in ELSEWHERE and not LAYERS[number][3]:  # STFTSpectrogram is also there with weights
        with pytest.raises(sofie_jit.SofieError, match=ELSEWHERE[layer]):
            frontends.open(source)().save_onnx(tmp_path / "m.onnx")
        return
    rmodel = frontends.open(source)()
    for out in saved_twice(rmodel, tmp_path):
        check_file(out, rmodel, named(rmodel, draw_inputs(rmodel, 3)), f"{layer}, {out.stem}")


# -- sizes at run time -------------------------------------------------------------------------------------------------


def test_sizes_are_computed(tmp_path: Path) -> None:
    n, m = SymbolicDim("n"), SymbolicDim("m")
    shapes = [(n * m, 3), (n // 2 + 1, 3), (ceil_div(n, 2), 3), (minimum(n, 4), m), (maximum(n, m) - 1, 1), (2, n, m)]
    rmodel = RModel("sizes")
    rmodel.add_input_tensor_info("x", "float32", ("n",))
    rmodel.add_input_tensor_info("y", "float32", ("m",))
    rmodel.add_initialized_tensor("one", np.ones(1, np.float32))
    for number, shape in enumerate(shapes):
        rmodel.add_operator(Expand(inputs=["one"], outputs=[f"z{number}"], shape=shape))
        rmodel.add_output_tensor_names(f"z{number}")
    path = saved(rmodel, tmp_path / "m.onnx")
    for sizes in ({"n": 5, "m": 3}, {"n": 2, "m": 9}, {"n": 1, "m": 2}):
        results = run(path, {"x": np.zeros(sizes["n"], np.float32), "y": np.zeros(sizes["m"], np.float32)})
        for shape, result in zip(shapes, results, strict=True):
            assert result.shape == tuple(d if isinstance(d, int) else d.evaluate(sizes) for d in shape)


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "uint64", "int8", "int64"])
def test_shifts(dtype: str, tmp_path: Path) -> None:
    """By a constant, and if ONNX Runtime has a Where of the type, by another input, also by too many bits."""
    rmodel, shifts = RModel("shifts"), ["n", "by"] if dtype in ("uint8", "int64") else ["n"]
    rmodel.add_input_tensor_info("x", dtype, (None, 3))
    rmodel.add_input_tensor_info("by", dtype, (None, 3))
    rmodel.add_initialized_tensor("n", np.array([0, 1, 5], dtype))
    for kind, name in itertools.product((BitShiftLeft, BitShiftRight), shifts):
        rmodel.add_operator(kind(inputs=["x", name], outputs=[f"{kind.__name__}_{name}"]))
        rmodel.add_output_tensor_names(f"{kind.__name__}_{name}")
    x, by = np.array([[1, 77, 100], [3, 0, 9]], dtype), np.array([[0, 3, 70], [1, 8, 6]], dtype)
    path = saved(rmodel, tmp_path / "m.onnx")
    if dtype != "int8":
        check_file(path, rmodel, {"x": x, "by": by}, dtype)


def test_empty_batches(tmp_path: Path) -> None:
    rmodel = RModel("network")
    rmodel.add_input_tensor_info("x", "float32", ("batch", 4, 6))
    rmodel.add_operator(InstanceNormalization(inputs=["x"], outputs=["normalized"]))
    rmodel.add_operator(Reshape(inputs=["normalized"], outputs=["y"], shape=(SymbolicDim("batch"), 24)))
    rmodel.add_output_tensor_names("y")
    path = saved(rmodel, tmp_path / "m.onnx")
    for rows in (3, 0):
        x = np.random.default_rng(0).normal(size=(rows, 4, 6)).astype(np.float32)
        check_file(path, rmodel, {"x": x}, f"{rows} rows")


def test_names_and_shapes_are_kept(tmp_path: Path) -> None:
    model = sofie_jit.load(MODEL_FILE)
    path = model.save_onnx(tmp_path / "digits.onnx")
    graph = onnx.load(path).graph
    dims = graph.input[0].type.tensor_type.shape.dim
    assert graph.input[0].name == "image"
    assert [d.dim_param or d.dim_value for d in dims] == ["batch", 8, 8, 1]
    assert graph.output[0].name == "digit"
    assert {value.name for value in graph.value_info}.issubset(model.rmodel.intermediate)
    again = sofie_jit.load(path)
    x = np.random.default_rng(0).random((7, 8, 8, 1), np.float32)
    check([again.infer(x)], [model.infer(x)], "read again")
    fixed = model.save_onnx(tmp_path / "one.onnx", input_shapes=[(1, 8, 8, 1)])
    assert onnx.load(fixed).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_images_stay_channels_first_between_layers(tmp_path: Path) -> None:
    nodes = onnx.load(sofie_jit.load(MODEL_FILE).save_onnx(tmp_path / "m.onnx")).graph.node
    convolutions = [number for number, node in enumerate(nodes) if node.op_type == "Conv"]
    between = [node.op_type for node in nodes[convolutions[0] : convolutions[-1]]]
    assert len(convolutions) > 1
    assert "Transpose" not in between


# -- ends --------------------------------------------------------------------------------------------------------------


def test_outputs_of_all_kinds(tmp_path: Path) -> None:
    """An input, a weight, one tensor twice, and labels that are names of other tensors."""
    rmodel = RModel("ends")
    rmodel.add_input_tensor_info("x", "float32", (None, 2))
    rmodel.add_initialized_tensor("w", np.float32([1, 2]))
    rmodel.add_operator(Add(inputs=["x", "w"], outputs=["y"]))
    rmodel.add_operator(Relu(inputs=["y"], outputs=["z"]))
    rmodel.add_output_tensor_names("x", "w", "z", "z", "y")
    rmodel.output_labels = ["first", "second", "third", "x", "z"]
    x = np.float32([[-3, 4]])
    path = saved(rmodel, tmp_path / "m.onnx")
    y, z = np.float32([[-2, 6]]), np.float32([[0, 6]])
    check(run(path, {"x": x}), [x, np.float32([1, 2]), z, z, y], "ends")
    names = [output.name for output in onnx.load(path).graph.output]
    assert names[:3] == ["first", "second", "third"]
    assert len(set(names)) == 5


def test_states_are_inputs_and_outputs(tmp_path: Path) -> None:
    rmodel = RModel("counter")
    rmodel.add_input_tensor_info("x", "float32", (1,))
    rmodel.add_state_tensor_info("total", "float32", (1,))
    rmodel.add_operator(Add(inputs=["total", "x"], outputs=["sum"]))
    rmodel.update_state("total", "sum")
    rmodel.add_output_tensor_names("sum")
    path = saved(rmodel, tmp_path / "m.onnx")
    one, five = np.float32([1]), np.float32([5])
    check(run(path, {"x": one, "total": five}), [one + five, one + five], "states")


def test_weights_in_a_file_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MOST_BYTES", 2000)
    monkeypatch.setattr(onnx_file, "SMALLEST_EXTERNAL", 100)
    model = sofie_jit.load(MODEL_FILE)
    path = saved(model.rmodel, tmp_path / "m.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    x = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    check(run(path, {"image": x}), [model.infer(x)], "external")
    check([sofie_jit.load(path).infer(x)], [model.infer(x)], "external, read again")


RESIZED = {
    "bilinear": ("Resizing", {"height": 7, "width": 5}),
    "bicubic": ("Resizing", {"height": 7, "width": 5, "interpolation": "bicubic"}),
    "enlarged": ("UpSampling2D", {"size": 2, "interpolation": "bicubic"}),
    "cropped": ("CenterCrop", {"height": 4, "width": 4}),
}


@pytest.mark.parametrize("case", RESIZED)
def test_weights_that_depend_on_open_sizes(case: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    name, options = RESIZED[case]
    keras.Sequential([keras.Input((None, None, 3)), getattr(keras.layers, name)(**options)]).save(tmp_path / "m.keras")
    rmodel = frontends.open(tmp_path / "m.keras")()
    out = saved(rmodel, tmp_path / "m.onnx")
    for height, width in ((11, 13), (5, 4), (20, 6)):
        images = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
        check_file(out, rmodel, named(rmodel, [images]), case)


def test_refusals(tmp_path: Path) -> None:
    model = sofie_jit.load(MODEL_FILE)
    with pytest.raises(OptionError, match=r"is written as \.onnx"):
        model.save_onnx(tmp_path / "m.h5")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        model.save_onnx(tmp_path / "missing" / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_command_line(tmp_path: Path) -> None:
    out = tmp_path / "m.onnx"
    command = [sys.executable, "-m", "sofie_jit", "convert", str(MODEL_FILE), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"wrote {out}\n"
    x = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    check_file(out, frontends.open(MODEL_FILE)(), {"image": x}, "command line")


# -- applications ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionV3", "MobileNet", "MobileNetV2",
     "MobileNetV3Small", "NASNetMobile", "ResNet50", "VGG16", "Xception"],
)  # fmt: skip
def test_applications(name: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    from test_applications import SMALLEST, randomized

    side = SMALLEST.get(name, 64)
    model = randomized(getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10))
    rmodel = frontends.open(model)()
    x = np.random.default_rng(0).random((2, side, side, 3), np.float32)
    for path in saved_twice(rmodel, tmp_path):
        # random weights amplify rounding: the distance of one evaluation varies by a factor, see docs/limits.md
        check_file(path, rmodel, named(rmodel, [x]), f"{name}, {path.stem}", factor=4)
