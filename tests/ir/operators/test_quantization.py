"""Quantized tensors: compiled code gives exactly the integers that numpy gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sofie_jit import DtypeError, RModel, ShapeError
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators.quantization import (
    BYTES,
    QUANTIZED,
    ConvInteger,
    DequantizeLinear,
    MatMulInteger,
    QuantizeLinear,
    Requantize,
)
from sofie_jit.verification.evaluate import evaluate

rng = np.random.default_rng(0)


def integers(dtype: str, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def scales(*shape: int) -> np.ndarray:
    return rng.uniform(1e-3, 1, shape).astype(np.float32)


def check(builder: Builder, results: list[Symbol], inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Compiled code and evaluation agree to the last bit."""
    builder.rmodel.add_output_tensor_names(symbol.name for symbol in results)
    got = builder.rmodel.compile().infer(inputs)
    expected = evaluate(builder.rmodel, inputs)
    for op, result, other in zip(builder.rmodel.operators, got, expected, strict=True):
        np.testing.assert_array_equal(result, other, str(op), strict=True)
    return got


SHAPES = [((), {}), ((1,), {}), ((6,), {"axis": 1}), ((17,), {"axis": -1}), ((4,), {"axis": 0}),
          ((4, 2, 17), {"axis": 1, "block_size": 3}), ((4, 2, 17), {"axis": 1, "block_size": 4}),
          ((4, 6, 5), {"axis": 2, "block_size": 4}), ((1, 6, 17), {"axis": 0, "block_size": 4})]  # fmt: skip


def test_quantize_and_dequantize() -> None:
    builder = Builder(RModel("quantize"))
    x = (rng.normal(size=(4, 6, 17)) * 100).astype(np.float32)
    x.flat[:9] = [np.nan, np.inf, -np.inf, 0.5, 1.5, 2.5, -0.5, 3e38, -0.0]
    sums = rng.integers(-(2**31), 2**31, x.shape, np.int32)
    floats, wide = builder.input("x", "float32", x.shape), builder.input("sums", "int32", x.shape)
    results, arrays = [], [x, sums]
    for dtype in QUANTIZED:
        arrays.append(integers(dtype, *x.shape))
        given = builder.input(dtype, dtype, x.shape)
        for shape, options in SHAPES:
            scale = builder.constant(scales(*shape))
            zero = builder.constant(integers(dtype, *shape))
            results += [
                builder.add(QuantizeLinear(**options), floats, scale, zero),
                builder.add(QuantizeLinear(output_dtype=dtype, **options), floats, scale),
                builder.add(QuantizeLinear(**options), wide, scale, zero),
                builder.add(Requantize(**options), wide, scale, zero),
                builder.add(DequantizeLinear(**options), given, scale, zero),
                builder.add(DequantizeLinear(**options), given, scale),
            ]
    results.append(builder.add(DequantizeLinear(), wide, builder.constant(scales())))
    check(builder, results, arrays)


def test_rounding() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 127.5, 128.5, -128.5, -129.5])
    got = QuantizeLinear().evaluate(x, np.array(1.0), np.array(0, np.int8))
    np.testing.assert_array_equal(got, np.array([0, 2, 2, 0, -2, 127, 127, -128, -128], np.int8), strict=True)


@pytest.mark.parametrize(("a_type", "b_type"), list(itertools.product(BYTES, BYTES)))
def test_matrix_products(a_type: str, b_type: str) -> None:
    builder = Builder(RModel("matmul"))
    results, arrays = [], []
    for number, (m, k, n) in enumerate([(1, 1, 1), (3, 5, 7), (1, 64, 40), (14, 33, 65), (30, 300, 33), (4, 2, 32)]):
        arrays += [integers(a_type, m, k), integers(a_type), integers(a_type, m)]
        a, zero, zeros = (builder.input(f"a{number}_{i}", a_type, x.shape) for i, x in enumerate(arrays[-3:]))
        weights, w_zero, w_zeros = (
            builder.constant(integers(b_type, *shape)) for shape in ((k, n), (1,), (n,))
        )  # fmt: skip
        arrays += [integers(b_type, k, n), integers(b_type, n)]
        b, b_zeros = (builder.input(f"b{number}_{i}", b_type, x.shape) for i, x in enumerate(arrays[-2:]))
        for operands in [(a, weights), (a, weights, zero), (a, weights, None, w_zero), (a, weights, zeros, w_zeros),
                         (a, b), (a, b, zeros, b_zeros), (a, weights, None, b_zeros)]:  # fmt: skip
            results.append(builder.add(MatMulInteger(), *operands))
    arrays += [integers(a_type, 2, 1, 3, 5), integers(b_type, 4, 5, 6), integers(a_type, 3)]
    stack, other, zeros = (builder.input(f"stack{i}", x.dtype.name, x.shape) for i, x in enumerate(arrays[-3:]))
    weights = builder.constant(integers(b_type, 5, 6))
    results += [builder.add(MatMulInteger(), stack, other), builder.add(MatMulInteger(), stack, weights),
                builder.add(MatMulInteger(), stack, weights, zeros)]  # fmt: skip
    check(builder, results, arrays)


CONVOLUTIONS = [
    ((3, 9, 8), (5, 3, 3, 3), {}),
    ((4, 9, 8), (33, 4, 3, 2), {"pads": [1, 0, 2, 1], "strides": [2, 3]}),
    ((4, 9, 8), (6, 2, 3, 3), {"group": 2, "dilations": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((5, 7, 7), (5, 1, 3, 3), {"group": 5, "pads": [1, 1, 1, 1]}),
    ((37, 6, 5), (37, 1, 3, 2), {"group": 37, "strides": [1, 2], "dilations": [2, 1]}),
    ((3, 6, 5), (6, 1, 1, 1), {"group": 3}),
    ((32, 5, 5), (64, 32, 1, 1), {}),
    ((3, 1, 1), (2, 3, 3, 3), {"pads": [3, 3, 3, 3], "strides": [4, 4]}),
    ((3, 20), (4, 3, 5), {"pads": [4, 0]}),
    ((2, 4, 5, 6), (3, 2, 2, 3, 2), {"pads": [1, 0, 1, 0, 1, 0]}),
]


@pytest.mark.parametrize(("x_type", "w_type"), [("uint8", "int8"), ("int8", "uint8")])
def test_convolutions(x_type: str, w_type: str) -> None:
    builder = Builder(RModel("conv"))
    arrays = [integers(x_type)]
    results, zero = [], builder.input("zero", x_type, ())
    for number, (image, kernel, options) in enumerate(CONVOLUTIONS):
        arrays.append(integers(x_type, 3, *image))
        x, w = builder.input(f"x{number}", x_type, (3, *image)), builder.constant(integers(w_type, *kernel))
        w_zero, w_zeros = (builder.constant(integers(w_type, *shape)) for shape in ((), kernel[:1]))
        for zeros in [(), (zero,), (None, w_zero), (zero, w_zeros)]:
            results.append(builder.add(ConvInteger(**options), x, w, *zeros))
        arrays += [integers(w_type, *kernel), integers(w_type, kernel[0])]
        given, w_zeros = (builder.input(f"w{number}_{i}", w_type, a.shape) for i, a in enumerate(arrays[-2:]))
        results.append(builder.add(ConvInteger(**options), x, given, zero, w_zeros))
    check(builder, results, arrays)


def test_sums_wrap_around() -> None:
    """Sums beyond 32 bits, which ONNX does not define, are the same modulo 2^32."""
    a, b = np.full((1, 40000), 255, np.uint8), np.full((40000, 1), 255, np.uint8)
    assert MatMulInteger().evaluate(a, b).item() == (40000 * 255 * 255 + 2**31) % 2**32 - 2**31


def test_refused() -> None:
    builder = Builder(RModel("refused"))
    x, q = builder.input("x", "float32", (2, 6)), builder.input("q", "uint8", (2, 6))
    scale, zero = builder.constant(scales(5)), builder.constant(integers("int8"))
    with pytest.raises(ShapeError, match=r"scale \(5,\) does not fit X \(2, 6\) with axis=1"):
        builder.add(QuantizeLinear(), x, scale)
    with pytest.raises(DtypeError, match="zero point"):
        builder.add(DequantizeLinear(), q, builder.constant(scales()), zero)
    with pytest.raises(DtypeError, match="X is float32, but the scale is float64"):
        builder.add(QuantizeLinear(), x, builder.constant(np.float64(1)))
    with pytest.raises(DtypeError, match="int8 or uint8"):
        builder.add(MatMulInteger(), builder.input("p", "float32", (6, 2)), q)
    with pytest.raises(ShapeError, match="must have one number or 6"):
        builder.add(
            MatMulInteger(), builder.input("a", "uint8", (3, 2)), q, None, builder.constant(integers("uint8", 5))
        )
