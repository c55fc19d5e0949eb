"""C++ calls of operators of several tensors, element by element with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call, Struct, functor, literal
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, Shape, format_shape
from sofie_jit.ir.operators.elementwise import Binary, Broadcasting, Cast, Comparison, Mean, Not, Variadic, Where
from sofie_jit.ir.requirements import is_repeated
from sofie_jit.ir.types import TensorType

KERNELS = ("elementwise/elementwise.hxx",)


def broadcast(code: Emitter, operator: str, shape: Shape, inputs: Sequence[Shape]) -> Struct:
    """The C++ ``Broadcast`` of ``inputs`` to ``shape``; axes that all inputs treat alike are merged."""
    groups: list[tuple[list[Dim], tuple[bool, ...]]] = []
    padded = [(1,) * (len(shape) - len(given)) + given for given in inputs]
    for axis, dim in enumerate(shape):
        has = tuple(given[axis] != 1 and not is_repeated(given[axis], dim) for given in padded)
        if dim == 1:
            continue
        if groups and groups[-1][1] == has:
            groups[-1][0].append(dim)
        else:
            groups.append(([dim], has))
    if not groups:
        groups.append(([1], (True,) * len(inputs)))
    if len(groups) > tuning.MAX_RANK:
        raise ShapeError(f"{operator}: broadcasting {', '.join(map(format_shape, inputs))} needs too many dimensions")
    sizes = [code.count(tuple(dims)) for dims, _ in groups]
    has_rows = [[has[index] for _, has in groups] for index in range(len(inputs))]
    return code.struct(f"Broadcast<{len(inputs)}>", len(groups), sizes, has_rows)


def _shapes(op: Broadcasting, code: Emitter) -> Struct:
    return broadcast(code, op.op_type, code.outputs[0].shape, [t.shape for t in code.inputs if t is not None])


@emits(Binary, kernels=KERNELS, in_place=(0, 1))
def binary(op: Binary, code: Emitter) -> Call:
    """One functor over pairs of elements."""
    return code.call("binary", _shapes(op, code), code.input(0), code.input(1), code.output(0), functor(op.op_type))


def _first_two(op: Variadic, *inputs: TensorType) -> tuple[int, ...]:
    """Later inputs are read after the first results have been written."""
    return (0, 1)[: len(inputs)]


@emits(Variadic, kernels=KERNELS, in_place=_first_two)
def variadic(op: Variadic, code: Emitter) -> list[Call]:
    """The binary functor, repeated from the first input to the last."""
    y = code.outputs[0]
    shapes = [t.shape for t in code.inputs if t is not None]
    if len(shapes) == 1:
        return [code.call("map", code.count(y.shape), code.input(0), code.output(0), functor("Identity"))]
    calls, left, left_shape = [], code.input(0), shapes[0]
    for index, shape in enumerate(shapes[1:], 1):
        both = broadcast(code, op.op_type, y.shape, [left_shape, shape])
        operation = functor(op.functor_name or op.op_type)
        calls.append(code.call("binary", both, left, code.input(index), code.output(0), operation))
        left, left_shape = code.output(0), y.shape
    return calls


@emits(Mean, kernels=KERNELS, in_place=_first_two)
def mean(op: Mean, code: Emitter) -> list[Call]:
    """The sum, divided by the number of inputs."""
    y = code.outputs[0]
    divide = functor(f"DivideBy<{CPP_TYPES[y.dtype]}>", literal(len(code.inputs), y.dtype))
    return [*variadic(op, code), code.call("map", code.count(y.shape), code.output(0), code.output(0), divide)]


@emits(Comparison, kernels=KERNELS)
def comparison(op: Comparison, code: Emitter) -> Call:
    """One functor over pairs of elements, with bool results."""
    return code.call("compare", _shapes(op, code), code.input(0), code.input(1), code.output(0), functor(op.op_type))


@emits(Not, kernels=KERNELS)
def logical_not(op: Not, code: Emitter) -> Call:
    """``logical_not`` over all elements."""
    return code.call("logical_not", code.count(code.outputs[0].shape), code.input(0), code.output(0))


@emits(Where, kernels=KERNELS)
def where(op: Where, code: Emitter) -> Call:
    """``where`` over triples of elements."""
    return code.call("where", _shapes(op, code), code.input(0), code.input(1), code.input(2), code.output(0))


@emits(Cast, kernels=KERNELS)
def cast(op: Cast, code: Emitter) -> Call:
    """``cast`` over all elements; float16 are bits in C++."""
    given = code.type_of(0).dtype
    function = "cast" if given == op.to else {given: "from_float16", op.to: "to_float16"}.get("float16", "cast")
    return code.call(function, code.count(code.outputs[0].shape), code.input(0), code.output(0))
