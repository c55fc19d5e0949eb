"""Emitter: the object with which the functions of ``codegen/lowered`` write the C++ calls of one operator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from sofie_jit.codegen.arena import THREADS, Arena
from sofie_jit.codegen.expressions import (
    Argument,
    Call,
    Constant,
    FunctionPointer,
    NullPointer,
    PackedPointer,
    Pointer,
    ScratchPointer,
    Size,
    SizeTarget,
    Step,
    Struct,
    Table,
    TensorPointer,
    WeightPointer,
    size_of,
)
from sofie_jit.codegen.storage import storage
from sofie_jit.codegen.tuning import ALIGNMENT
from sofie_jit.errors import GraphError
from sofie_jit.ir.dims import Dim, Shape, SymbolicDim, bind_shape, ceil_div, counts_rows, product, static_dims
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.symbolic import reserved
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class Target:
    """The machine and program that code is generated for."""

    vector_bytes: int | None = None
    """Bytes of a vector register; None for code that runs on any machine."""
    threads: bool = False
    """Whether a call may be shared by a team of threads."""


@dataclass(frozen=True)
class PackedWeight:
    """A buffer that a Session's constructor fills: ``function(arguments...)``."""

    dtype: str
    """Its element type, numpy's name."""
    function: str
    arguments: tuple[Argument, ...]
    index: int
    """Its number among the buffers of its element type."""


@dataclass
class Resources:
    """Resources that the calls of a whole network share: packed weights, memory, functions that can fail."""

    roots: dict[str, str]
    """For every tensor the tensor whose memory it is (:func:`sofie_jit.codegen.storage.storage`)."""
    plan_body: Callable[[RModel], tuple[Step, ...]]
    """The steps of a body, whose tensors are in ``roots``."""
    arena: Arena = field(default_factory=Arena)
    pointers: list[tuple[TensorPointer | ScratchPointer, int]] = field(default_factory=list)
    """Tensors and scratch memory in the arena, with the number of their slot."""
    packed: dict[tuple[str, str, tuple[Argument, ...]], PackedWeight] = field(default_factory=dict)
    """By element type, function and arguments."""
    found: dict[str, Dim] = field(default_factory=dict)
    """Run-time dimensions that operators set, with upper bounds in terms of the others."""
    sizes: dict[str, SymbolicDim] = field(default_factory=dict)
    """Names of sizes that the code computes, with their expressions (:meth:`Emitter.named`)."""
    weights: list[str] = field(default_factory=list)
    """Initialized tensors in the order in which a Session's constructor takes their addresses."""

    def take(self, kind: TensorType) -> int:
        """The slot of a tensor, for the largest size that it can have."""
        return self.arena.take(kind.dtype, bind_shape(kind.shape, self.found))

    def pack(self, dtype: str, function: str, arguments: tuple[Argument, ...]) -> PackedPointer:
        key = (dtype, function, arguments)
        if key not in self.packed:
            index = sum(weight.dtype == dtype for weight in self.packed.values())
            self.packed[key] = PackedWeight(dtype, function, arguments, index)
        return PackedPointer(dtype, True, self.packed[key].index)


class Emitter:
    """Tensors, weights, scratch memory and calls of one operator as typed expressions.

    ``op`` is the operator; ``inputs`` and ``outputs`` are the types of its tensors, None for an omitted optional input.
    """

    def __init__(
        self,
        rmodel: RModel,
        op: ROperator,
        inputs: Sequence[TensorType | None],
        outputs: Sequence[TensorType],
        resources: Resources,
        target: Target,
    ):
        self.op = op
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.target = target
        self.scratch_slots: list[int] = []
        """The slots of the operator's scratch memory, which are free again when its calls have returned."""
        self._rmodel = rmodel
        self._resources = resources
        self._ends: dict[str, Pointer] = {}
        """Addresses of the first input and the first output that are not tensors of the model."""

    def part(
        self,
        op: ROperator,
        inputs: Sequence[TensorType | None],
        outputs: Sequence[TensorType],
        source: Pointer | None = None,
        target: Pointer | None = None,
    ) -> Emitter:
        """An Emitter of ``op``, one of several operators that together compute this one.

        ``source`` and ``target`` are the addresses of its first input and output, if they are not tensors of the model.
        """
        part = Emitter(self._rmodel, op, inputs, outputs, self._resources, self.target)
        part.scratch_slots = self.scratch_slots
        part._ends = {end: given for end, given in (("source", source), ("target", target)) if given is not None}
        return part

    # -- tensors -------------------------------------------------------------------------------------------------

    def type_of(self, index: int) -> TensorType:
        """The type of input ``index``, which must be given."""
        kind = self.inputs[index] if index < len(self.inputs) else None
        if kind is None:
            raise GraphError(f"{self.op.op_type}: input {index} is missing")
        return kind

    def has_input(self, index: int) -> bool:
        """Whether input ``index`` is given."""
        return index < len(self.op.inputs) and bool(self.op.inputs[index])

    def input(self, index: int, dtype: str | None = None) -> Pointer:
        """The address of input ``index``: a tensor, a weight used as it is, or null if it is omitted.

        ``dtype`` is the type of null, by default that of the first input.
        """
        if index == 0 and "source" in self._ends:
            return self._ends["source"]
        if not self.has_input(index):
            return NullPointer(dtype or self._dtype(), True)
        name = self._resources.roots[self.op.inputs[index]]
        if name in self._rmodel.initialized:
            values = self._rmodel.initialized[name]
            return self.packed("copy_weights", self._weight(name), values.size, dtype=values.dtype.name)
        return TensorPointer(self.type_of(index).dtype, True, name)

    def output(self, index: int) -> Pointer:
        """The address of output ``index``; null if it is omitted."""
        if index == 0 and "target" in self._ends:
            return self._ends["target"]
        dtype = self.outputs[index].dtype
        if not self.has_output(index):
            return NullPointer(dtype, False)
        return TensorPointer(dtype, False, self._resources.roots[self.op.outputs[index]])

    def has_output(self, index: int) -> bool:
        """Whether output ``index`` is used."""
        return index < len(self.op.outputs) and bool(self.op.outputs[index])

    def is_constant(self, index: int) -> bool:
        """Whether input ``index`` is an initialized tensor, that is, a weight."""
        return index < len(self.op.inputs) and self.op.inputs[index] in self._rmodel.initialized

    def require_constants(self, *indices: int) -> None:
        """Raises GraphError if an input of ``indices`` is given but is not a weight."""
        for index in indices:
            if self.has_input(index) and not self.is_constant(index):
                raise GraphError(
                    f"{self.op.op_type} needs its input {index} to be an initialized tensor, which can be packed once; "
                    f"'{self.op.inputs[index]}' is computed by the model"
                )

    # -- weights and memory --------------------------------------------------------------------------------------

    def raw(self, index: int, dtype: str | None = None) -> Pointer:
        """The values of initialized input ``index``, valid as an argument of :meth:`packed` only; null if omitted.

        ``dtype`` is the type of null, by default that of the first input.
        """
        given = self.has_input(index)
        return self._weight(self.op.inputs[index]) if given else NullPointer(dtype or self._dtype(), True)

    def packed(self, function: str, *arguments: Argument, dtype: str | None = None) -> PackedPointer:
        """A weight packed once, when the Session is made: ``function<T>(arguments...)`` returns ``Buffer<T>``.

        ``dtype`` is T, by default that of the first input. Calls with equal arguments share one buffer.

        Raises ShapeError if it depends on a size that is open.
        """
        sizes = tuple(argument.value for argument in arguments if isinstance(argument, Size))
        static_dims(self.op.op_type, sizes, "weights")
        return self._resources.pack(dtype or self._dtype(), function, arguments)

    def scratch(self, dtype: str, shape: Shape, *, per_thread: bool = False) -> ScratchPointer:
        """Memory for a tensor of ``dtype`` and ``shape``, the operator's own until its calls have returned.

        ``per_thread``: one such piece for each thread of the team, each rounded up to a multiple of 64 elements.
        """
        if per_thread and self.target.threads:
            shape = (ceil_div(product(*shape), ALIGNMENT) * ALIGNMENT, THREADS)
        slot = self._resources.arena.take(dtype, bind_shape(shape, self._resources.found))
        self.scratch_slots.append(slot)
        index = sum(isinstance(pointer, ScratchPointer) for pointer, _ in self._resources.pointers)
        pointer = ScratchPointer(dtype, False, index)
        self._resources.pointers.append((pointer, slot))
        return pointer

    def read_only(self, pointer: ScratchPointer) -> ScratchPointer:
        """``pointer`` to memory that has been written, as one through which it is only read."""
        return ScratchPointer(pointer.dtype, True, pointer.index)

    # -- bodies --------------------------------------------------------------------------------------------------

    def tensor(self, name: str, kind: TensorType) -> TensorPointer:
        """Memory for a tensor of a body, the operator's own until its calls have returned."""
        slot = self._resources.take(kind)
        self.scratch_slots.append(slot)
        pointer = TensorPointer(kind.dtype, False, name)
        self._resources.pointers.append((pointer, slot))
        self._resources.roots[name] = name
        return pointer

    def outputs_of(self, body: RModel, names: Sequence[str] = ()) -> list[TensorPointer]:
        """Memory for the outputs of a body, which :func:`separate_outputs` has given tensors of their own.

        ``names``: the first outputs are these tensors of the operator's network; "" for none.
        """
        inner, roots = storage(body), self._resources.roots
        pointers = []
        for output, name in itertools.zip_longest(body.outputs, names, fillvalue=""):
            root, kind = inner[output], body.tensor_type(output)
            if name:
                roots[root] = roots[name]
            pointers.append(TensorPointer(kind.dtype, False, roots[name]) if name else self.tensor(root, kind))
        return pointers

    def steps(self, body: RModel, given: Mapping[str, str]) -> tuple[Step, ...]:
        """The steps of a body, whose names of tensors no other network of the model has.

        ``given``: its inputs that are tensors of the operator's network -> their names there.
        """
        roots = self._resources.roots
        roots |= {inner: roots[name] for inner, name in given.items()}
        roots |= {name: roots.get(root, root) for name, root in storage(body).items()}
        return self._resources.plan_body(body)

    # -- sizes, structs, functions -------------------------------------------------------------------------------

    def dim(self, dim: Dim) -> Size:
        """One dimension."""
        return size_of((dim,))

    def size_target(self, name: str) -> SizeTarget:
        """The address of a run-time dimension that the operator sets (:meth:`ROperator.sets_sizes`)."""
        return SizeTarget(name)

    def named(self, dim: Dim) -> Dim:
        """A name for a size that is computed once per call; a number, or a single name, stays as it is.

        Expressions of such names stay short, where the size that they stand for would be copied into each of them.
        """
        if not isinstance(dim, SymbolicDim) or (str(dim),) == dim.names or counts_rows(dim) or self._is_found(dim):
            return dim
        sizes = self._resources.sizes
        name = next((name for name, known in sizes.items() if known == dim), None) or str(reserved(f"{len(sizes)}"))
        sizes[name] = dim
        return reserved(name.strip("()"))

    def _is_found(self, dim: SymbolicDim) -> bool:
        """Whether a size depends on one that an operator sets."""
        return not self._resources.found.keys().isdisjoint(dim.names)

    def count(self, shape: Shape) -> Size:
        """The number of elements of ``shape``."""
        return size_of(shape)

    def lanes(self, dtype: str) -> int | None:
        """Elements of ``dtype`` in a vector register; None if the code is for any machine."""
        size = self.target.vector_bytes
        return None if size is None else size // np.dtype(dtype).itemsize

    def struct(self, name: str, *members: Any) -> Struct:
        """The kernels' struct ``name`` with these members in order; lists become arrays.

        Sizes and shapes belong into a struct or plain arguments: they are passed to compiled code, whereas any other
        text in a call (functors, literals) is compiled into it.
        """
        return Struct(name, tuple(map(_frozen, members)))

    def function(
        self,
        function: str,
        parameters: Sequence[str],
        *arguments: Argument,
        deferred: bool = False,
        result: str = "void",
    ) -> FunctionPointer:
        """See :class:`FunctionPointer`."""
        return FunctionPointer(function, tuple(parameters), arguments, deferred, result)

    def table(self, name: str, *members: FunctionPointer | Constant) -> Table:
        """See :class:`Table`."""
        return Table(name, members)

    # -- calls ---------------------------------------------------------------------------------------------------

    def call(self, function: str, *arguments: Argument) -> Call:
        """The statement ``function(arguments...)``."""
        return Call(function, arguments)

    def parallel_call(self, function: str, *arguments: Argument) -> Call:
        """The same; where there is a team of threads, ``parallel_`` + function.

        Its arguments are the team, the run-time arguments, and a pointer to the function. The JIT compiles it when a
        team first needs it.
        """
        return Call(function, arguments, parallel=True)

    def checked_call(self, function: str, *arguments: Argument, failure: str) -> Call:
        """A call of a kernel that returns false when its input is out of range, with the error to raise then."""
        return Call(function, arguments, failure=failure)

    def _weight(self, name: str) -> WeightPointer:
        if name not in self._resources.weights:
            self._resources.weights.append(name)
        return WeightPointer(self._rmodel.initialized[name].dtype.name, True, name)

    def _dtype(self) -> str:
        return next(t.dtype for t in (*self.inputs, *self.outputs) if t is not None)


def _frozen(member: Any) -> Any:
    return tuple(map(_frozen, member)) if isinstance(member, (list, tuple)) else member
