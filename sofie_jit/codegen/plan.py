"""Plan: the kernel calls that compute a lowered RModel, and the memory they need, before they are printed as C++.

:func:`make_plan` walks over the operators once. ``print_jit.py`` and ``print_header.py`` turn a plan into C++.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sofie_jit.codegen import tuning
from sofie_jit.codegen.arena import Slot
from sofie_jit.codegen.emitter import Emitter, PackedWeight, Resources, Target
from sofie_jit.codegen.expressions import (
    Call,
    ScratchPointer,
    Step,
    TensorPointer,
    size_of,
    statements,
)
from sofie_jit.codegen.lowered.emission import emission, kernels_of, parallel_kernels_of
from sofie_jit.codegen.memory import can_tile, last_uses, memory_taken_over, needs
from sofie_jit.codegen.storage import storage
from sofie_jit.errors import GraphError, ShapeError, SofieError, counted
from sofie_jit.ir.dims import Dim, SymbolicDim, bind_shape, names_of, split_count
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, undecided
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.size_check import SizeCheck
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class Plan:
    """A lowered RModel as calls of kernels."""

    rmodel: RModel
    target: Target
    dims: tuple[str, ...]
    """Run-time dimensions, in the order of the entry point's arguments."""
    found: dict[str, Dim]
    """Run-time dimensions that operators set, with upper bounds in terms of the others."""
    reported: tuple[str, ...]
    """Those of them that the shapes of outputs depend on, in the order in which a call returns them."""
    roots: dict[str, str]
    """For every tensor the tensor whose memory it is."""
    steps: tuple[Step, ...]
    """The operators that compute something, in order."""
    packed: tuple[PackedWeight, ...]
    """The buffers of packed weights, in the order in which a Session's constructor fills them."""
    weights: tuple[str, ...]
    """Initialized tensors in the order in which a Session's constructor takes their addresses."""
    pointers: tuple[tuple[TensorPointer | ScratchPointer, int], ...]
    """Tensors and scratch memory in the arena, with the number of their slot."""
    requirements: tuple[SizeCheck, ...]
    """What the run-time dimensions must satisfy."""
    sizes: dict[str, SymbolicDim]
    """Names of further sizes, which the code computes, with their expressions."""
    slots: tuple[Slot, ...]
    """The scratch memory of a call."""
    flops: int
    """Floating-point operations for one row of the batch."""
    tiled: bool
    """Whether rows of the batch are independent of each other, so that a batch may be computed in tiles."""
    rows_together: int
    """The smallest number of rows of a batch per thread."""
    kernels: tuple[str, ...]
    """Headers of ``sofie_jit/kernels`` that the calls need."""
    parallel_kernels: tuple[str, ...]
    """Headers that they need in addition where threads share calls."""

    @property
    def failures(self) -> dict[int, str]:
        """Status that a call of the network may return -> the error; 0 is success."""
        origins = (
            (step.op.op_type, f" ({step.op.origin})" if step.op.origin else "", call.failure)
            for step, call in self.calls()
            if call.failure
        )
        return {1 + i: f"{name}{origin}: {failure}" for i, (name, origin, failure) in enumerate(origins)}

    @property
    def errors(self) -> dict[int, type[SofieError]]:
        """Status that a call of the network may return -> the class of the error."""
        return {1 + i: error for i, error in enumerate(call.error for _, call in self.calls() if call.failure)}

    @property
    def size_checks(self) -> dict[int, SizeCheck]:
        """Status that a call of the network returns for sizes that do not fit -> the requirement."""
        return dict(enumerate(self.requirements, 1 + len(self.failures)))

    def calls(self) -> Iterator[tuple[Step, Call]]:
        """All calls in order, each with its step, which may be one of a body."""
        return (pair for step in self.steps for pair in step.walk())

    def __str__(self) -> str:
        lines = [f"arena of {counted(len(self.slots), 'slot')}, {counted(len(self.packed), 'packed weight')}"]
        lines += [f"{step.index:4} {step.op.op_type}: {call.function}" for step, call in self.calls()]
        return "\n".join(lines)


def make_plan(rmodel: RModel, target: Target | None = None) -> Plan:
    """The plan of a lowered model for ``target``, by default any machine and one thread.

    Raises GraphError for an operator that has no C++ call.
    """
    target = target or Target()
    given = frozenset(names_of(dim for kind in rmodel.inputs.values() for dim in kind.shape))
    resources = Resources(storage(rmodel), lambda body: _steps(body, resources, target, given))
    steps = _steps(rmodel, resources, target, given)
    types = [*rmodel.inputs.values(), *rmodel.intermediate.values()]
    dims = names_of(dim for kind in types for dim in kind.shape)
    outputs_found = names_of(dim for name in rmodel.outputs for dim in rmodel.tensor_type(name).shape)
    computing = [step.op for step in steps if not step.op.is_alias]
    checked = [CHECKS] if any(call.error is ShapeError for step in steps for call in step.calls) else []
    return Plan(
        rmodel=rmodel,
        target=target,
        dims=tuple(name for name in dims if name not in resources.found),
        found=resources.found,
        reported=tuple(name for name in outputs_found if name in resources.found),
        roots=resources.roots,
        steps=steps,
        packed=tuple(resources.packed.values()),
        weights=tuple(resources.weights),
        pointers=tuple(resources.pointers),
        requirements=_size_checks(rmodel, given),
        sizes=resources.sizes,
        slots=tuple(resources.arena.slots),
        flops=sum(step.flops for step in steps),
        tiled=not resources.found.keys() & set(outputs_found) and can_tile(rmodel),
        rows_together=_rows_together(rmodel, computing),
        kernels=(*(header for op in computing for header in kernels_of(op)), *checked),
        parallel_kernels=tuple(header for op in computing for header in parallel_kernels_of(op)),
    )


def _steps(rmodel: RModel, resources: Resources, target: Target, given: frozenset[str]) -> tuple[Step, ...]:
    """The steps of a network, the model or a body, whose tensors take memory of ``resources``.

    ``given``: the sizes of the model's inputs.
    """
    roots = resources.roots
    last = last_uses(rmodel, roots)
    slot_of: dict[str, int] = {}
    steps = []
    for index, op in enumerate(rmodel.operators):
        inputs = [rmodel.tensor_type(name) if name else None for name in op.inputs]
        results = op.infer(*inputs)
        outputs = list(results) if isinstance(results, tuple) else [results]
        resources.found |= _found_sizes(rmodel, op, inputs, resources.found)
        for name, kind in zip(op.outputs, outputs, strict=False):
            if name in last and roots[name] == name:
                taken_over = memory_taken_over(rmodel, roots, last, index)
                slot = slot_of.pop(taken_over) if taken_over else resources.take(kind)
                slot_of[name] = slot
                resources.pointers.append((TensorPointer(kind.dtype, False, name), slot))
        checks = [_check(need) for need in undecided(op.requirements(*inputs)) if not given.issuperset(_names(need))]
        if op.is_alias and checks:
            steps.append(Step(index, op, tuple(checks), rmodel))
        if not op.is_alias:
            emitter = Emitter(rmodel, op, inputs, outputs, resources, target)
            emitted = statements(emission(type(op)).emit(op, emitter))
            steps.append(Step(index, op, (*checks, *emitted), rmodel, op.flops(inputs, outputs)))
            for slot in emitter.scratch_slots:
                resources.arena.free(slot)
        touched = {roots[name] for name in (*op.inputs, *op.outputs) if name}
        for name in sorted(touched):
            if last.get(name) == index and name in slot_of:
                resources.arena.free(slot_of[name])
    return tuple(steps)


def _found_sizes(
    rmodel: RModel, op: ROperator, inputs: Sequence[TensorType | None], known: Mapping[str, Dim]
) -> dict[str, Dim]:
    """The dimensions that ``op`` sets, with upper bounds. Raises GraphError for a name that is taken."""
    sizes = op.sets_sizes(*inputs)
    taken = {*names_of(dim for kind in rmodel.inputs.values() for dim in kind.shape), *known}
    if clash := sorted(taken & sizes.keys()):
        raise GraphError(f"{op.op_type} sets the size '{clash[0]}', which an input or another operator has")
    return {name: bind_shape((bound,), known)[0] for name, bound in sizes.items()}


CHECKS = "core/sizes.hxx"
"""The kernels that compare sizes."""


def _check(need: Requirement) -> Call:
    """The call that checks a requirement."""
    function = {"==": "equal_sizes", "<=": "at_most"}[need.relation]
    return Call(function, (size_of((need.left,)), size_of((need.right,))), failure=str(need), error=ShapeError)


def _names(need: Requirement) -> tuple[str, ...]:
    return names_of((need.left, need.right))


def _size_checks(rmodel: RModel, given: frozenset[str]) -> tuple[SizeCheck, ...]:
    """The requirements of the model and of its operators on ``given`` sizes, the strongest of each size."""
    found: dict[tuple[str, Dim], tuple[int, SizeCheck]] = {}
    listed = [("the model", undecided(rmodel.size_limits))]
    listed += [
        (f"{op.op_type} ({op.origin})" if op.origin else op.op_type, needs(rmodel, op)) for op in rmodel.operators
    ]
    for label, requirements in listed:
        for need in requirements:
            if not given.issuperset(_names(need)):
                continue  # an operator computes the size: it is checked where it is known
            variable, margin = _margin(need)
            key = need.relation, variable
            if key not in found or margin < found[key][0]:
                found[key] = margin, SizeCheck(need, label)
    return tuple(check for _, check in found.values())


def _margin(need: Requirement) -> tuple[Dim, int]:
    """A requirement as a size and a number whose sum must be 0, or at least 0."""
    difference = need.right - need.left
    assert isinstance(difference, SymbolicDim)
    variable = difference - difference.constant
    if need.relation == "==" or not isinstance(variable, SymbolicDim):
        return difference, 0
    factor = variable.known_factor
    return variable // factor, difference.constant // factor


def _rows_together(rmodel: RModel, operators: Sequence[ROperator]) -> int:
    """The smallest number of rows of a batch per thread: more than one if dense layers of single rows dominate.

    With fewer rows, threads share the outputs of the layers instead, since a register tile takes as long for fewer
    rows, and each thread reads all weights.
    """
    dense, total = 0, 1
    for op in operators:
        outputs = [rmodel.tensor_type(name) for name in op.outputs if name]
        flops = op.flops([rmodel.tensor_type(name) if name else None for name in op.inputs], outputs)
        total += flops
        if op.op_type == "Dense" and split_count(outputs[0].shape[:-1])[0] == 1:
            dense += flops
    return tuning.MC_STEP if 2 * dense > total else 1
