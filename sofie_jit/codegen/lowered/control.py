"""C++ statements of Loop and If: bodies as blocks of a ``while`` or ``if``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Block, Branch, Call, Repeat, Statement, TensorPointer
from sofie_jit.codegen.lowered.emission import Headers, emits, kernels_of, parallel_kernels_of
from sofie_jit.ir.operators.control import ControlFlow, If, Loop
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType


def _of_bodies(headers: Callable[[ROperator], Headers], *own: str) -> Callable[[ControlFlow], Headers]:
    """The headers of all operators in the bodies, after its ``own``."""

    def listed(op: ControlFlow) -> Headers:
        inner = [part for body in op.bodies.values() for part in body.operators if not part.is_alias]
        return (*own, *(header for part in inner for header in headers(part)))

    return listed


KERNELS = _of_bodies(kernels_of, "core/loop.hxx")
PARALLEL_KERNELS = _of_bodies(parallel_kernels_of)


@emits(Loop, kernels=KERNELS, parallel_kernels=PARALLEL_KERNELS)
def loop(op: Loop, code: Emitter) -> Iterator[Statement]:
    """A ``while``. The carried tensors have one place each; an iteration computes the next ones, and copies them."""
    names, body = list(op.body.inputs), op.body
    number = code.tensor(names[0], TensorType("int64", ()))
    goes_on = code.scratch("bool", ())
    given = dict(zip(names[op.own_body_inputs :], op.inputs[op.own_inputs :], strict=True))
    states = []
    for index, name in enumerate(names[1 : op.own_body_inputs]):
        kind = code.outputs[index]
        if code.has_output(index):
            given[name] = op.outputs[index]
            states.append(code.output(index))
        else:
            states.append(code.tensor(name, kind))
        yield code.call("copy", code.count(kind.shape), code.input(2 + index), states[index])
    yield code.call("start_loop", code.input(1, "bool"), number, goes_on)
    again, *results = code.outputs_of(body)
    steps = code.steps(body, given)
    after: list[Call] = []
    for index, (name, result) in enumerate(zip(op.results, results, strict=True)):
        size = code.count(body.tensor_type(name).shape)
        if index < op.carried:
            after.append(code.call("copy", size, read_only(result), states[index]))
        elif code.has_output(index):
            rows = code.output(index)
            after.append(code.checked_call(
                "store_row", read_only(number), code.dim(op.most or 0), size, read_only(result), rows,
                failure=f"more than {op.most} iterations",
            ))  # fmt: skip
    after.append(code.call("next_iteration", read_only(again), number, goes_on))
    most = code.input(0, "int64")
    yield Repeat(code.call("iterates", most, read_only(number), code.read_only(goes_on)), Block(steps, tuple(after)))
    if op.count:
        yield code.call("count_iterations", read_only(number), code.size_target(op.count))
    elif op.collects:
        yield code.checked_call(
            "all_iterations", read_only(number), code.dim(op.most or 0), failure=f"fewer than {op.most} iterations"
        )


@emits(If, kernels=KERNELS, parallel_kernels=PARALLEL_KERNELS)
def if_(op: If, code: Emitter) -> Branch:
    """An ``if``, whose branches compute the outputs where they are."""
    blocks = []
    for body in op.bodies.values():
        code.outputs_of(body, op.outputs)
        blocks.append(Block(code.steps(body, dict(zip(body.inputs, op.inputs[1:], strict=True)))))
    return Branch(code.call("is_true", code.input(0)), *blocks)


def read_only(pointer: TensorPointer) -> TensorPointer:
    """``pointer`` as one through which it is only read."""
    return TensorPointer(pointer.dtype, True, pointer.name)
