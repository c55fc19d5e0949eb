"""RModel: a network as data, as in ROOT's SOFIE: named tensors and a list of ONNX operators in execution order.

Nothing in this module compiles, prints or rewrites a network. The methods of RModel that do are in ``facade.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, GraphError, ShapeError, counted
from sofie_jit.ir.dims import BATCH, Dim, SymbolicDim, bind_shape, format_shape
from sofie_jit.ir.facade import Facade
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, undecided
from sofie_jit.ir.types import DTYPES, TensorType, tensor_type
from sofie_jit.ir.weights import as_weight


class RModel(Facade):
    """A network of operators over named tensors.

    ``name``: a label for messages and listings.

    As in SOFIE, tensors are *inputs*, *initialized* tensors (weights), *intermediate* tensors (computed by operators;
    :meth:`generate` finds them) and *outputs* (tensors that ``infer`` returns). A stateful network also has *states*,
    which it keeps between calls of ``infer``. The attributes hold the network:

    ``inputs``: types of the inputs by name, in the order of the arguments of ``infer``.
    ``initialized``: arrays of the weights by name.
    ``operators``: the operators in execution order.
    ``outputs``: names of the outputs, in the order of the results of ``infer``.
    ``intermediate``: types of the intermediate tensors by name.
    ``states``: types of the states by name. States are zero in the first call.
    ``updates``: for each state the tensor that becomes its value in the next call.
    ``input_keys``: other names by which users may pass inputs -> names of the inputs.
    ``output_labels``: names of the outputs for users; empty if they are the names of the tensors.
    ``size_limits``: requirements on the sizes of the inputs, in addition to those of the operators.
    ``output_structure``: nested lists, tuples and dicts of indices into ``outputs``, in which ``infer`` returns its
    results; None for one array or a plain list.

    >>> import numpy as np
    >>> from sofie_jit import RModel
    >>> from sofie_jit.operators import Gemm
    >>> network = RModel("tiny")
    >>> network.add_input_tensor_info("x", "float32", (None, 3))
    >>> network.add_initialized_tensor("w", np.ones((3, 2), np.float32))
    >>> network.add_operator(Gemm(inputs=["x", "w"], outputs=["y"]))
    >>> network.add_output_tensor_names("y")
    >>> network.compile().infer(np.ones((1, 3)))
    array([[3., 3.]], dtype=float32)
    """

    def __init__(self, name: str = "model"):
        self.name = name
        self.inputs: dict[str, TensorType] = {}
        self.initialized: dict[str, np.ndarray] = {}
        self.operators: list[ROperator] = []
        self.states: dict[str, TensorType] = {}
        self.updates: dict[str, str] = {}
        self.outputs: list[str] = []
        self.input_keys: dict[str, str] = {}
        self.output_labels: list[str] = []
        self.output_structure: Any = None
        self.size_limits: list[Requirement] = []
        self.intermediate: dict[str, TensorType] = {}
        self._generated = False

    # -- building ------------------------------------------------------------------------------------------------

    def add_input_tensor_info(self, name: str, dtype: str, shape: Sequence[Dim | str | None]) -> None:
        """Declares an input.

        ``name``: name of the tensor.
        ``dtype``: element type, as a numpy dtype or its name: one of :data:`sofie_jit.ir.types.DTYPES`.
        ``shape``: sizes of the axes. None in the first place stands for the batch, whose size is known when the model
        runs. A string names another dimension whose size is known when the model runs, such as ``"time"``.

        Raises ShapeError for an invalid dimension, DtypeError for an unsupported element type, GraphError if the name
        is taken.

        >>> from sofie_jit import RModel
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, "time", 3))
        >>> print(network.inputs["x"])
        float32 (batch, time, 3)
        """
        dims: list[Dim] = []
        for axis, dim in enumerate(shape):
            if dim is None and axis == 0:
                dim = BATCH
            if isinstance(dim, (str, SymbolicDim)):
                if not str(dim).isidentifier():
                    raise ShapeError(f"input '{name}': a run-time dimension needs a name like 'time', got {dim!r}")
                dims.append(SymbolicDim(str(dim)))
            elif _is_size(dim):
                dims.append(int(dim))  # type: ignore[arg-type]
            else:
                raise ShapeError(
                    f"input '{name}': dimension {axis} of {tuple(shape)} must be a size or the name of a run-time "
                    "dimension; only the first may be None (the batch)"
                )
        self._define(name, "input")
        self.inputs[name] = TensorType(_dtype_name(dtype, f"input '{name}'"), tuple(dims))

    def add_state_tensor_info(self, name: str, dtype: str, shape: Sequence[int]) -> None:
        """Declares a state: a tensor that is zero in the first call of ``infer`` and kept between calls.

        ``name``: name of the tensor.
        ``dtype``: element type, as in :meth:`add_input_tensor_info`.
        ``shape``: sizes of the axes, all of them known, also the batch.

        :meth:`update_state` sets the tensor that becomes the state's next value.

        Raises ShapeError, DtypeError or GraphError as :meth:`add_input_tensor_info` does.

        >>> import numpy as np
        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Add
        >>> network = RModel("counter")
        >>> network.add_input_tensor_info("x", "float32", (1,))
        >>> network.add_state_tensor_info("total", "float32", (1,))
        >>> network.add_operator(Add(inputs=["total", "x"], outputs=["sum"]))
        >>> network.update_state("total", "sum")
        >>> network.add_output_tensor_names("sum")
        >>> counter = network.compile()
        >>> counter.infer([1]), counter.infer([5])
        (array([1.], dtype=float32), array([6.], dtype=float32))
        """
        if not all(map(_is_size, shape)):
            raise ShapeError(f"state '{name}': every dimension must be a size, also the batch; got {tuple(shape)}")
        self._define(name, "state")
        self.states[name] = TensorType(_dtype_name(dtype, f"state '{name}'"), tuple(int(dim) for dim in shape))

    def update_state(self, name: str, value: str) -> None:
        """Sets the tensor whose value becomes the state ``name`` in the next call of ``infer``.

        A second update of the same state replaces the first. :meth:`generate` checks that state and tensor have the
        same type. See :meth:`add_state_tensor_info` for an example.
        """
        self._generated = False
        self.updates[name] = value

    def add_initialized_tensor(self, name: str, array: Any) -> None:
        """Adds a weight.

        ``name``: name of the tensor.
        ``array``: its values, an array of any shape, of one of :data:`sofie_jit.ir.types.DTYPES`. It is not copied,
        unless its bytes are in the order of another machine.

        Raises DtypeError for an unsupported element type, GraphError if the name is taken.

        >>> import numpy as np
        >>> from sofie_jit import RModel
        >>> network = RModel()
        >>> network.add_initialized_tensor("w", np.zeros((3, 2), np.float32))
        >>> network.initialized["w"].shape
        (3, 2)
        """
        values = as_weight(array)
        _dtype_name(values.dtype, f"initialized tensor '{name}'")
        self._define(name, "initialized tensor")
        self.initialized[name] = values.astype(values.dtype.newbyteorder("="), copy=False)

    def add_operator(self, operator: ROperator) -> None:
        """Appends an operator. Operators are added in execution order.

        ``operator``: an operator whose ``inputs`` and ``outputs`` name its tensors; ``""`` leaves out an optional one.

        Raises GraphError if it is not an operator or names no outputs. :meth:`generate` checks everything else.

        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        """
        if not isinstance(operator, ROperator):
            raise GraphError(f"add_operator takes an operator such as Gemm(...), got {type(operator).__name__}")
        if not operator.outputs:
            raise GraphError(f"{operator.op_type} has no outputs: name the tensors that it computes in outputs=[...]")
        self._generated = False
        self.operators.append(operator)

    def add_output_tensor_names(self, *names: str | Iterable[str]) -> None:
        """Appends outputs: names of tensors that ``infer`` returns, in this order.

        Inputs and weights may be outputs, and a tensor may be an output more than once.

        >>> from sofie_jit import RModel
        >>> network = RModel()
        >>> network.add_output_tensor_names("y", ["z", "y"])
        >>> network.outputs
        ['y', 'z', 'y']
        """
        self._generated = False
        for name in names:
            self.outputs.extend([name] if isinstance(name, str) else name)

    def _define(self, name: str, kind: str) -> None:
        """Checks that ``name`` is free for a tensor of this ``kind``."""
        self._generated = False
        if not name:
            raise GraphError(f"an {kind} needs a name")
        tables = ((self.inputs, "input"), (self.states, "state"), (self.initialized, "initialized tensor"))
        for table, other in tables:
            if name in table:
                raise GraphError(f"{kind} '{name}': there is already an {other} of that name; names must be unique")

    # -- checking ------------------------------------------------------------------------------------------------

    def generate(self) -> None:
        """Infers the type of every intermediate tensor and checks names, shapes, element types and execution order.

        Repeated calls do nothing until the network changes. ``compile``, ``save_header`` and ``summary`` call it.

        Raises GraphError, ShapeError or DtypeError with the operator, its position, and the values that disagree.

        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> network.generate()
        >>> print(network.intermediate["y"])
        float32 (batch, 3)
        """
        if self._generated:
            return
        known = self._given_types()
        producers = {name: index for index, op in enumerate(self.operators) for name in op.outputs}
        intermediate: dict[str, TensorType] = {}
        for index, op in enumerate(self.operators):
            where = f"operator {index} ({op.op_type}{', ' + op.origin if op.origin else ''})"
            types = [_type_of_input(name, known, producers, where) for name in op.inputs]
            for name, result in zip(op.outputs, _inferred(op, types, where), strict=False):
                if not name:
                    continue
                if name in known:
                    raise GraphError(f"{where} writes '{name}', which exists already; every tensor is written once")
                known[name] = intermediate[name] = result
        self._check_outputs(known)
        self._check_updates(known)
        self.intermediate = intermediate
        self._generated = True

    def _given_types(self) -> dict[str, TensorType]:
        """Types of all tensors that no operator computes."""
        weights = {name: tensor_type(values) for name, values in self.initialized.items()}
        return {**self.inputs, **self.states, **weights}

    def _check_outputs(self, known: Mapping[str, TensorType]) -> None:
        if not self.outputs:
            raise GraphError("the model has no outputs: name them with add_output_tensor_names")
        for name in self.outputs:
            if name not in known:
                raise GraphError(f"no operator computes output '{name}'; the tensors are: {_abridged(known)}")

    def _check_updates(self, known: Mapping[str, TensorType]) -> None:
        for name in dict.fromkeys([*self.states, *self.updates]):
            value = self.updates.get(name, "")
            if name not in known or known.get(value) != known[name]:
                raise GraphError(
                    f"state '{name}' ({known.get(name, 'not declared')}) is updated by '{value}' "
                    f"({known.get(value, 'not a tensor of this model')}); it must be updated by a tensor of its type"
                )

    def tensor_type(self, name: str) -> TensorType:
        """Element type and shape of a tensor. Calls :meth:`generate`.

        Raises GraphError if the network has no tensor of that name.
        """
        self.generate()
        for table in (self.inputs, self.states, self.intermediate):
            if name in table:
                return table[name]
        if name in self.initialized:
            return tensor_type(self.initialized[name])
        raise GraphError(f"'{name}' is not a tensor of this model")

    def operator_flops(self) -> list[int]:
        """Floating-point operations of each operator per row of the batch, where a multiply-add counts as two.

        Other dimensions that are open count as 1. Calls :meth:`generate`.
        """
        return [
            op.flops(
                [self.tensor_type(name) if name else None for name in op.inputs],
                [self.tensor_type(name) for name in op.outputs if name],
            )
            for op in self.operators
        ]

    # -- copies --------------------------------------------------------------------------------------------------

    def unique_name(self, hint: str) -> str:
        """``hint`` if no tensor has that name, else ``hint`` with a number appended."""
        taken = {*self.inputs, *self.states, *self.initialized, *(name for op in self.operators for name in op.outputs)}
        name, number = hint, 0
        while name in taken:
            number += 1
            name = f"{hint}_{number}"
        return name

    def copy(self) -> RModel:
        """An independent copy with copied operators. The arrays of weights are shared."""
        new = copy.copy(self)
        new.inputs, new.initialized = dict(self.inputs), dict(self.initialized)
        new.states, new.updates = dict(self.states), dict(self.updates)
        new.operators = [copy.copy(op) for op in self.operators]
        for op in new.operators:
            op.inputs, op.outputs = list(op.inputs), list(op.outputs)
        new.outputs, new.output_labels = list(self.outputs), list(self.output_labels)
        new.size_limits = list(self.size_limits)
        new.intermediate, new._generated = {}, False
        return new

    def bind(self, sizes: Mapping[str, int]) -> RModel:
        """A copy in which run-time dimensions are fixed.

        ``sizes``: sizes by the names of the dimensions; the batch is called ``"batch"``. Dimensions that are not named
        stay open.

        >>> from sofie_jit import RModel
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, "time", 3))
        >>> print(network.bind({"time": 10}).inputs["x"])
        float32 (batch, 10, 3)
        """
        new = self.copy()
        new.inputs = {name: TensorType(t.dtype, bind_shape(t.shape, sizes)) for name, t in self.inputs.items()}
        new.size_limits = undecided([limit.bind(sizes) for limit in self.size_limits])
        for op in new.operators:
            kinds = [self.tensor_type(name) for name in op.outputs if name]
            if any(0 in bind_shape(kind.shape, sizes) for kind in kinds):
                op.spell_out(kinds)
            op.bind(sizes)
        return new

    def __repr__(self) -> str:
        return (
            f"<RModel '{self.name}': {counted(len(self.operators), 'operator')}, inputs {list(self.inputs)}, "
            f"outputs {self.outputs}, {sum(w.size for w in self.initialized.values()):,} parameters>"
        )


InputShapes = Sequence[Sequence[int | None]] | Mapping[str, Sequence[int | None]]
"""One shape for each input, or shapes by the names of some inputs; None leaves a size open."""


def sizes_of(inputs: Mapping[str, TensorType], shapes: InputShapes) -> dict[str, int]:
    """Sizes of run-time dimensions, read off concrete shapes.

    ``inputs``: types of the inputs by name.
    ``shapes``: one shape per input, or shapes by name, which leave other inputs open; None leaves a dimension open.

    Raises ShapeError if the inputs cannot have these shapes.
    """
    sizes: dict[str, int] = {}
    declared = ", ".join(f"{name} {format_shape(kind.shape)}" for name, kind in inputs.items())
    if not isinstance(shapes, Mapping):
        if len(shapes) != len(inputs):
            raise ShapeError(
                f"one shape is needed for each of the inputs {declared}; got {counted(len(shapes), 'shape')}. "
                f"Shapes by name: {{'{next(iter(inputs), '')}': (None, ...)}}, or --input-shape NAME=SIZES"
            )
        shapes = dict(zip(inputs, shapes, strict=True))
    if unknown := [name for name in shapes if name not in inputs]:
        raise ShapeError(f"there is no input '{unknown[0]}' that could have a shape; the inputs are {declared}")
    for name, shape in shapes.items():
        kind = inputs[name]
        mismatch = f"input '{name}' is {format_shape(kind.shape)}, which cannot have the shape {tuple(shape)}"
        if len(shape) != kind.rank:
            lacks_batch = kind.shape[:1] == (BATCH,) and len(shape) == kind.rank - 1 and None not in shape[:1]
            hint = f": the batch is missing; pass {(None, *shape)} to leave it open" if lacks_batch else ""
            raise ShapeError(f"{mismatch}{hint}")
        if None in shape and not any(isinstance(dim, SymbolicDim) for dim in kind.shape):
            raise ShapeError(
                f"{mismatch}: all its sizes are fixed in the model, so None cannot open one; save it with open "
                "sizes (dynamic_shapes= of torch.export and torch.onnx.export, Keras: an Input without batch_size=)"
            )
        for dim, size in zip(kind.shape, shape, strict=True):
            if size is None:
                continue
            expected = sizes.setdefault(str(dim), size) if isinstance(dim, SymbolicDim) else dim
            if size != expected or size < 1:
                raise ShapeError(f"{mismatch}: found {size} where {expected} is needed")
    return sizes


def _is_size(dim: Any) -> bool:
    return isinstance(dim, (int, np.integer)) and not isinstance(dim, bool) and bool(dim >= 0)


def _dtype_name(dtype: Any, what: str) -> str:
    """The name of ``dtype``; DtypeError, with ``what`` it belongs to, if it is not supported."""
    try:
        name: str = np.dtype(dtype).name
    except (TypeError, ValueError):  # numpy raises ValueError for strings that it can parse in part
        name = str(dtype)
    if name not in DTYPES:
        raise DtypeError(f"{what} has element type {name}; supported are {', '.join(DTYPES)}")
    return name


def _type_of_input(
    name: str, known: Mapping[str, TensorType], producers: Mapping[str, int], where: str
) -> TensorType | None:
    """The type of the tensor that an operator reads as ``name``; None for an optional input that is left out."""
    if not name:
        return None
    if name in known:
        return known[name]
    if name in producers:
        raise GraphError(
            f"{where} reads '{name}', which operator {producers[name]} computes; "
            "operators must be added in the order of computation"
        )
    raise GraphError(
        f"{where} reads '{name}', which is not a tensor of this model; the tensors are: {_abridged(known)}"
    )


def _inferred(op: ROperator, types: Sequence[TensorType | None], where: str) -> tuple[TensorType, ...]:
    """The types of the operator's outputs; errors say ``where`` it is."""
    try:
        results = op.infer(*types)
    except TypeError as error:
        if _accepts(op, len(types)):
            raise
        raise GraphError(f"{where}: the inputs {op.inputs} do not fit this operator") from error
    except (ShapeError, DtypeError) as error:
        raise type(error)(f"{where}: {error}") from None
    results = results if isinstance(results, tuple) else (results,)
    if len(op.outputs) > len(results):
        raise GraphError(f"{where} computes {counted(len(results), 'tensor')}, but outputs names {len(op.outputs)}")
    return results


def _accepts(op: ROperator, count: int) -> bool:
    """Whether the operator takes ``count`` inputs."""
    import inspect

    try:
        inspect.signature(op.infer).bind(*[None] * count)
    except TypeError:
        return False
    return True


def _abridged(names: Iterable[str], limit: int = 8) -> str:
    """The first names of a list for a message."""
    listed = list(names)
    return ", ".join(listed[:limit]) + (", ..." if len(listed) > limit else "")
