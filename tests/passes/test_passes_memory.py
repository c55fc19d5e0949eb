"""Which tensor lies where: separate_outputs, and the memory that results take over."""

from __future__ import annotations

import dataclasses

import numpy as np

import operator_cases
from operator_cases import CASES, Case
from pass_models import model_of, types
from sofie_jit import RModel
from sofie_jit.codegen.arena import Arena
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.codegen.memory import can_tile, last_uses, memory_taken_over
from sofie_jit.codegen.storage import storage
from sofie_jit.ir.operators.activations import Relu, Tanh
from sofie_jit.ir.operators.elementwise import Add, Mul, Sub, Where
from sofie_jit.ir.operators.identity import Identity
from sofie_jit.ir.operators.math import TopK
from sofie_jit.ir.operators.reduce import ReduceSum
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.passes.separate_outputs import separate_outputs
from sofie_jit.verification.difference import distance
from sofie_jit.verification.evaluate import evaluate


def test_outputs_get_memory_of_their_own() -> None:
    operators = [
        Reshape(shape=(0, 2, 2), inputs=["x"], outputs=["r"]),
        Relu(inputs=["x"], outputs=["a"]),
        Reshape(shape=(0, 2, 2), inputs=["a"], outputs=["b"]),
        Identity(inputs=["a"], outputs=["c"]),
    ]
    rmodel = model_of((None, 4), *operators, outputs="x r a b c c")
    separate = separate_outputs(rmodel)
    assert types(separate)[4:] == ["Identity"] * 4  # x, r (the input's memory), b (a's), and the second c
    assert len(set(separate.outputs)) == 6
    x = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    for result, want in zip(rmodel.compile().infer(x), [x, x, *[np.maximum(x, 0)] * 4], strict=True):
        np.testing.assert_array_equal(result.reshape(5, 4), want)


def test_arena_reuses_what_is_free() -> None:
    arena = Arena()
    a = arena.take("float32", ("batch", 100))
    b = arena.take("float32", ("batch", 50))
    arena.free(a)
    assert arena.take("float64", ("batch", 60)) == a
    arena.free(b)
    assert arena.take("float32", (50,)) not in (a, b)  # of another kind of size
    assert [slot.size for slot in arena.slots] == [512, 256, 256]


def state_alone() -> tuple[RModel, dict[str, str], dict[str, int], int]:
    """What memory_taken_over is asked about an operator without a first output."""
    operator = TopK(K=2, inputs=["x"], outputs=["", "y"])
    rmodel = model_of((None, 4), operator)
    roots = storage(rmodel)
    return rmodel, roots, last_uses(rmodel, roots), 0


def test_results_over_what_dies() -> None:
    def dense(x: str, y: str, residual: str = "") -> Dense:
        return Dense(inputs=[x, "w", "", residual], outputs=[y])

    operators = [
        dense("x", "a"),
        dense("a", "b", "a"),  # reads all of a row of what it adds
        dense("b", "c", "a"),  # over a
        Add(inputs=["b", "c"], outputs=["d"]),  # over b
        Sub(inputs=["d", "v"], outputs=["e"]),  # over d
        Mul(inputs=["e", "x"], outputs=["f"]),  # over e, not over the caller's x
        Add(inputs=["v", "f"], outputs=["g"]),  # over f
        Tanh(inputs=["g"], outputs=["y"]),
    ]
    rng = np.random.default_rng(0)
    rmodel = model_of((None, 4), *operators, w=rng.normal(size=(4, 4)), v=rng.normal(size=4))
    roots = storage(rmodel)
    taken = [memory_taken_over(rmodel, roots, last_uses(rmodel, roots), i) for i in range(len(operators) - 1)]
    assert taken == ["", "", "a", "b", "d", "e", "f"]
    assert memory_taken_over(*state_alone()) == ""
    w, v = (rmodel.initialized[name].astype(np.float64) for name in "wv")
    x = rng.normal(size=(29, 4)).astype(np.float32)
    a = x @ w
    b = a @ w + a
    want = np.tanh(v + (b + b @ w + a - v) * x)
    np.testing.assert_allclose(rmodel.compile(optimize=False).infer(x), want, rtol=1e-4, atol=1e-5)


def test_tiles() -> None:
    assert can_tile(model_of((None, 4), Relu(inputs=["x"], outputs=["y"])))
    assert not can_tile(model_of((None, 4), Transpose(perm=[1, 0], inputs=["x"], outputs=["y"])))
    assert not can_tile(model_of((6, 4), Relu(inputs=["x"], outputs=["y"])))
    assert not can_tile(model_of((None, 4), Reshape(shape=(2, 2, "batch"), inputs=["x"], outputs=["y"])))


def test_results_do_not_overwrite_what_the_operator_still_reads() -> None:
    """``y = xW + x``, where x is needed nowhere else: a row of the product is read after the sum is written."""
    rng = np.random.default_rng(0)
    square = rng.normal(size=(40, 40))
    operators = [
        Tanh(inputs=["x"], outputs=["a"]),
        Dense(inputs=["a", "w", "", "a"], outputs=["b"]),
        Tanh(inputs=["b"], outputs=["y"]),
    ]
    rmodel = model_of((None, 40), *operators, w=square)
    roots = storage(rmodel)
    assert memory_taken_over(rmodel, roots, last_uses(rmodel, roots), 1) == ""
    x = rng.normal(size=(29, 40)).astype(np.float32)
    a = np.tanh(x.astype(np.float64))
    want = np.tanh(a @ rmodel.initialized["w"].astype(np.float64) + a)
    np.testing.assert_allclose(rmodel.compile(optimize=False).infer(x), want, rtol=0, atol=1e-5)


def test_results_overwrite_only_what_is_as_large() -> None:
    operators = [
        ReduceSum(axes=[1], inputs=["x"], outputs=["small"]),
        Tanh(inputs=["x"], outputs=["large"]),
        Sub(inputs=["small", "large"], outputs=["d"]),  # over large
        ReduceSum(axes=[1], inputs=["d"], outputs=["e"]),
        Mul(inputs=["e", "x"], outputs=["f"]),  # over nothing: x is the caller's
        Tanh(inputs=["f"], outputs=["y"]),
    ]
    rmodel = model_of((None, 40), *operators)
    roots = storage(rmodel)
    last = last_uses(rmodel, roots)
    assert [memory_taken_over(rmodel, roots, last, i) for i in (2, 4)] == ["large", ""]
    x = np.random.default_rng(0).uniform(size=(29, 40)).astype(np.float32) / 40
    (want,) = evaluate(rmodel, x, "float64")
    assert distance(rmodel.compile(optimize=False).infer(x).astype("float64"), want) <= 1e-6


def same_operands() -> list[Case]:
    """The operators with several inputs of one type, each with one tensor as all of these."""
    found = []
    for case in CASES:
        kinds: dict[tuple[tuple[int, ...], str], list[int]] = {}
        for index, array in enumerate(case.arrays):
            if array is not None and index not in case.weights and not case.fixed:
                kinds.setdefault((array.shape, array.dtype.name), []).append(index)
        equal = max(kinds.values(), key=len, default=[])
        if len(equal) > 1:
            arrays = [case.arrays[equal[0]] if i in equal else array for i, array in enumerate(case.arrays)]
            found.append(dataclasses.replace(case, arrays=tuple(arrays)))
    return found


def test_one_tensor_as_all_operands() -> None:
    """It dies in the operator, which may overwrite it only if it reads all of it first."""
    cases = same_operands()
    assert len(cases) > 40
    rmodel, inputs = operator_cases.model_of(cases, "float32"), {}
    for number, (case, operator) in enumerate(zip(cases, list(rmodel.operators), strict=True)):
        of_array: dict[int, str] = {}
        for index, name in enumerate(operator.inputs):
            array = case.arrays[index]
            if array is None or index in case.weights:
                continue
            if id(array) not in of_array:
                inputs[name] = array
                of_array[id(array)] = copy = f"copy{number}_{index}"
                rmodel.operators.insert(0, Where(inputs=["true", name, name], outputs=[copy]))
            else:
                del rmodel.inputs[name]
            operator.inputs[index] = of_array[id(array)]
    rmodel.add_initialized_tensor("true", np.array(True))
    for optimize in (False, True):
        got, want = rmodel.compile(optimize=optimize).infer(inputs), evaluate(rmodel, inputs, "float64")
        for name, a, b in zip(rmodel.outputs, got, want, strict=True):
            case = cases[int(name[1:].partition("_")[0])]
            assert distance(a.astype("float64"), b.astype("float64")) <= 1e-6, case.name
