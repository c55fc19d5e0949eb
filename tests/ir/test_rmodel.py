"""Networks built by hand, as users of SOFIE build them, and the errors of invalid ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from networks import gemm_relu_transpose
from sofie_jit import DtypeError, GraphError, RModel, ShapeError, SofieError
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.activations import Relu
from sofie_jit.ir.operators.elementwise import Add, Mul, Sub
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.rmodel import sizes_of
from sofie_jit.models.arguments import Arguments
from sofie_jit.operators import GatherElements
from sofie_jit.verification.evaluate import evaluate


def test_sizes_that_are_fixed_cannot_be_opened() -> None:
    network = RModel()
    network.add_input_tensor_info("x", "float32", (1, 4))
    network.add_operator(Relu(inputs=["x"], outputs=["y"]))
    network.add_output_tensor_names("y")
    with pytest.raises(ShapeError, match=r"x.*which cannot have the shape \(None, 4\): all its sizes are fixed"):
        sizes_of(network.inputs, [(None, 4)])
    assert sizes_of(network.inputs, [(1, 4)]) == {}
    with pytest.raises(ShapeError, match=r"fixed at 1 in the model; pass 1 row, or save .*dynamic_shapes="):
        Arguments(network.inputs).standardize([np.zeros((3, 4))])


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("batch", [0, 1, 7, 300])
def test_gemm_relu_transpose(batch: int, optimize: bool) -> None:
    rng = np.random.default_rng(0)
    rmodel = gemm_relu_transpose(rng)
    model = rmodel.compile(optimize=optimize)
    x = rng.normal(size=(batch, 16)).astype(np.float32)
    want = np.maximum(x.astype(np.float64) @ rmodel.initialized["w"] + rmodel.initialized["b"], 0).T
    y = model.infer(x)
    assert y.shape == (8, batch)
    np.testing.assert_allclose(y, want, rtol=0, atol=1e-5)


def test_tensors_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    model = gemm_relu_transpose(np.random.default_rng(0))
    model.generate()
    model.print_required_inputs()
    model.print_initialized_tensors()
    model.print_intermediate_tensors()
    model.print_outputs()
    text = capsys.readouterr().out
    for line in (
        "  x\ttype: float32\tshape: (batch, 16)",
        "  w\ttype: float32\tshape: (16, 8)",
        "  r\ttype: float32\tshape: (batch, 8)",
        "  y\ttype: float32\tshape: (8, batch)",
    ):
        assert line in text.splitlines()


GEMM_FORMS = [
    # shapes of A, B and C; transA, transB; names of those that are weights, and R for a residual
    ((None, 6), (6, 5), (5,), False, False, "BC"),
    ((None, 6), (6, 5), (5,), False, False, "BCR"),
    ((None, 6), (6, 5), None, False, False, "BR"),
    ((4, 6), (6, 5), (4, 5), False, False, "R"),
    ((None, 6), (5, 6), (1,), False, True, "BC"),
    ((None, 6), (6, 5), (1, 5), False, False, "BC"),
    ((None, 6), (6, 5), (None, 5), False, False, "B"),
    ((None, 6), (6, 5), (None, 1), False, False, "B"),
    ((None, 6), (6, 5), None, False, False, "B"),
    ((6, 4), (6, 5), (4, 5), True, False, "BC"),
    ((4, 6), (6, 5), (4, 5), False, False, ""),
    ((6, 4), (5, 6), (5,), True, True, ""),
    ((6, 4), (5, 6), None, True, True, ""),
]


@pytest.mark.parametrize(("a", "b", "c", "trans_a", "trans_b", "weights"), GEMM_FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, -2.0)])
def test_gemm_in_every_form(a, b, c, trans_a, trans_b, weights, dtype, alpha, beta) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    model = RModel("gemm")
    values = {}
    for name, shape in (("A", a), ("B", b), ("C", c)):
        if shape is None:
            continue
        values[name] = rng.normal(size=[3 if d is None else d for d in shape]).astype(dtype)
        if name in weights:
            model.add_initialized_tensor(name, values[name])
        else:
            model.add_input_tensor_info(name, dtype, shape)
    left = values["A"].astype(np.float64).T if trans_a else values["A"].astype(np.float64)
    right = values["B"].astype(np.float64).T if trans_b else values["B"].astype(np.float64)
    want = alpha * left @ right + (beta * values["C"].astype(np.float64) if c else 0)
    if "R" in weights:
        values["R"] = rng.normal(size=want.shape).astype(dtype)
        model.add_input_tensor_info("R", dtype, (a[0], b[1]))
        want = want + values["R"]
    inputs, result = ["A", "B", "C" if c else ""], "product"
    model.add_operator(Gemm(alpha=alpha, beta=beta, transA=trans_a, transB=trans_b, inputs=inputs, outputs=[result]))
    if "R" in weights:
        model.add_operator(Add(inputs=[result, "R"], outputs=["sum"]))
        result = "sum"
    model.add_operator(Relu(inputs=[result], outputs=["Y"]))
    model.add_output_tensor_names("Y")
    y = model.compile().infer({name: values[name] for name in model.inputs})
    np.testing.assert_allclose(y, np.maximum(want, 0), rtol=0, atol=1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(6,), (4, 6)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, -2.0)])
def test_dense_adds_a_residual(bias: bool, shape: tuple[int, ...], dtype: str, alpha: float, beta: float) -> None:
    rng = np.random.default_rng(1)
    model = RModel("dense")
    sizes = {"A": (3, *shape), "B": (6, 5), "C": (5,), "R": (3, *shape[:-1], 5)}
    values = {name: rng.normal(size=size).astype(dtype) for name, size in sizes.items()}
    for name in "BC":
        model.add_initialized_tensor(name, values[name])
    for name in "AR":
        model.add_input_tensor_info(name, dtype, (None, *sizes[name][1:]))
    inputs = ["A", "B", "C" if bias else "", "R"]
    model.add_operator(Dense(alpha=alpha, beta=beta, activation=Relu(), inputs=inputs, outputs=["Y"]))
    model.add_output_tensor_names("Y")
    a, b, c, r = (values[name].astype(np.float64) for name in sizes)
    want = alpha * a @ b + (beta * c if bias else 0) + r
    y = model.compile(optimize=False).infer({name: values[name] for name in model.inputs})
    np.testing.assert_allclose(y, np.maximum(want, 0), rtol=0, atol=1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize(
    ("a", "b"),
    [((None, 4, 6), (None, 6, 5)), ((None, 2, 4, 6), (6, 5)), ((None, 2, 4, 6), (2, 6, 40)), ((3, 6), (None, 6, 1))],
)
def test_matmul(a, b) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(2)
    values = {
        n: rng.normal(size=[7 if d is None else d for d in s]).astype(np.float32) for n, s in (("A", a), ("B", b))
    }
    model = RModel("matmul")
    model.add_input_tensor_info("A", "float32", a)
    model.add_input_tensor_info("B", "float32", b)
    model.add_operator(MatMul(inputs=["A", "B"], outputs=["Y"]))
    model.add_output_tensor_names("Y")
    want = values["A"].astype(np.float64) @ values["B"].astype(np.float64)
    np.testing.assert_allclose(model.compile().infer(values), want, rtol=0, atol=1e-5)


def test_outputs_that_are_inputs_weights_and_each_other() -> None:
    model = RModel("outputs")
    model.add_input_tensor_info("x", "float32", (None, 3))
    model.add_initialized_tensor("w", np.arange(4, dtype=np.float32))
    model.add_operator(Relu(inputs=["x"], outputs=["r"]))
    model.add_operator(Relu(inputs=["r"], outputs=["s"]))
    model.add_output_tensor_names("r", "x", "w", "s", "r")
    x = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    r, same, w, s, again = model.compile().infer(x)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(w, np.arange(4))
    for result in (r, s, again):
        np.testing.assert_array_equal(result, np.maximum(x, 0))


def test_long_chain_reuses_memory() -> None:
    model = RModel("chain")
    model.add_input_tensor_info("x", "float32", (None, 64))
    rng = np.random.default_rng(4)
    last, want = "x", rng.normal(size=(9, 64)).astype(np.float32)
    x = want
    for i in range(20):
        w = (rng.normal(size=(64, 64)) / 8).astype(np.float32)
        model.add_initialized_tensor(f"w{i}", w)
        model.add_operator(Gemm(inputs=[last, f"w{i}"], outputs=[f"h{i}"]))
        last, want = f"h{i}", want.astype(np.float64) @ w
    model.add_output_tensor_names(last)
    compiled = model.compile()
    np.testing.assert_allclose(compiled.infer(x), want, rtol=0, atol=1e-5 * np.abs(want).max())
    assert [(slot.size, slot.dims) for slot in compiled._execution.session.code.slots] == [(64 * 4, ("batch",))] * 2


def valid() -> RModel:
    return gemm_relu_transpose(np.random.default_rng(0))


def wrong_width(model: RModel) -> None:
    model.operators[0].inputs[0] = "b"


def not_ordered(model: RModel) -> None:
    model.operators.reverse()


def wrong_dtype(model: RModel) -> None:
    model.initialized["w"] = model.initialized["w"].astype(np.float64)


def wrong_inner(model: RModel) -> None:
    model.initialized["w"] = np.zeros((17, 8), np.float32)


BREAKAGES: list[tuple[Callable[[RModel], object], type[SofieError], str]] = [
    (not_ordered, GraphError, "order of computation"),
    (wrong_dtype, DtypeError, "float32, float64"),
    (wrong_inner, ShapeError, "16 columns.*17 rows"),
    (wrong_width, ShapeError, "matrices"),
    (lambda m: m.add_output_tensor_names("nothing"), GraphError, "output 'nothing'"),
    (lambda m: m.add_operator(Relu(inputs=["nothing"], outputs=["z"])), GraphError, "'nothing', which is not a tensor"),
    (lambda m: m.add_operator(Relu(inputs=["h"], outputs=["r"])), GraphError, "written once"),
    (
        lambda m: m.add_operator(Relu(inputs=["h", "h"], outputs=["z"])),
        GraphError,
        r"3 \(Relu\).*\['h', 'h'\] do not fit",
    ),
    (lambda m: m.add_operator(Relu(inputs=["h"], outputs=["z", "zz"])), GraphError, "computes 1 tensor, .* 2$"),
    (lambda m: m.add_operator(Relu(inputs=["h"])), GraphError, "no outputs"),
    (lambda m: m.add_operator("Relu"), GraphError, "takes an operator"),  # type: ignore[arg-type]
    (lambda m: m.add_initialized_tensor("w", np.zeros(3)), GraphError, "already an initialized tensor"),
    (lambda m: m.add_input_tensor_info("x", "float32", (None, 1)), GraphError, "already an input"),
    (lambda m: m.add_input_tensor_info("z", "float32", (None, None)), ShapeError, "dimension 1"),
    (lambda m: m.add_input_tensor_info("z", "float32", (None, -1)), ShapeError, "dimension 1"),
    (lambda m: m.add_input_tensor_info("z", "complex64", (None, 1)), DtypeError, "complex64"),
    (lambda m: m.add_input_tensor_info("z", "nonsense", (None, 1)), DtypeError, "nonsense"),
    (lambda m: m.add_initialized_tensor("z", np.array(["a"])), DtypeError, "initialized tensor 'z'"),
    (lambda m: m.outputs.clear(), GraphError, "no outputs"),
]


@pytest.mark.parametrize(("breakage", "error", "message"), BREAKAGES)
def test_invalid_networks_raise(breakage: Callable[[RModel], object], error: type[SofieError], message: str) -> None:
    model = valid()
    with pytest.raises(error, match=message):
        breakage(model)
        model.generate()


def test_long_sequences_go_in_smaller_tiles() -> None:
    """Memory stays bounded if an open dimension other than the batch makes rows large."""
    model = RModel("sequence")
    model.add_input_tensor_info("x", "float32", (None, "time", 8))
    model.add_operator(Relu(inputs=["x"], outputs=["a"]))
    model.add_operator(Relu(inputs=["a"], outputs=["y"]))
    model.add_output_tensor_names("y")
    compiled = model.compile(optimize=False)
    text = compiled._execution.session.code.text
    assert "batch_tile(dim1 * 32)" in text  # a row of the one tensor in the arena: 8 float32 a step
    assert "k::Lease arena(fArenas, k::align_up(batch * dim1 * 32));" in text
    x = np.random.default_rng(5).normal(size=(37, 20_000, 8)).astype(np.float32)
    np.testing.assert_array_equal(compiled.infer(x), np.maximum(x, 0))


@pytest.mark.parametrize("order", ["<", ">"])
def test_weights_of_any_byte_order(order: str, tmp_path: Path) -> None:
    """An array has its values in compiled code, in numpy, and in all files, whatever the order of its bytes."""
    rmodel = RModel("bytes")
    rmodel.add_input_tensor_info("x", "float32", (None, 3))
    rmodel.add_initialized_tensor("w", np.arange(6).reshape(3, 2).astype(f"{order}f4"))
    rmodel.add_initialized_tensor("one", np.array([1], f"{order}f4"))
    rmodel.add_initialized_tensor("other", np.frombuffer(np.array([1], f"{order}f4").tobytes(), "=f4"))
    rmodel.add_initialized_tensor("index", np.array([[1]], f"{order}i8"))
    rmodel.add_operator(Gemm(inputs=["x", "w"], outputs=["y"]))
    rmodel.add_operator(Mul(inputs=["x", "one"], outputs=["a"]))
    rmodel.add_operator(Mul(inputs=["x", "other"], outputs=["b"]))
    rmodel.add_operator(GatherElements(axis=1, inputs=["x", "index"], outputs=["z"]))
    rmodel.add_operator(Sub(inputs=["a", "b"], outputs=["d"]))
    rmodel.add_output_tensor_names("y", "z", "d")
    x = np.array([[1, 2, 3]], np.float32)
    other = rmodel.initialized["other"][0]
    for results in (rmodel.compile().infer(x), rmodel.compile(optimize=False).infer(x), evaluate(rmodel, x)):
        for result, want in zip(results, ([[16, 22]], [[2]], x - other * x), strict=True):
            np.testing.assert_array_equal(result, want)
    rmodel.save_header(tmp_path / "m.hxx")
    assert "tensor_w 6\n0 1 2 3 4 5\n" in (tmp_path / "m.dat").read_text()
    rmodel.save_header(tmp_path / "m.hxx", weights="binary")
    assert np.arange(6, dtype="<f4").tobytes() in (tmp_path / "m.bin").read_bytes()
    assert np.arange(6, dtype="<f4").tobytes() in rmodel.save_onnx(tmp_path / "m.onnx").read_bytes()


def test_weights_are_not_copied() -> None:
    weights = np.ones((3, 2), np.float32)
    rmodel = RModel("m")
    rmodel.add_initialized_tensor("w", weights)
    assert rmodel.initialized["w"] is weights
