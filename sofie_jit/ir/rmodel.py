"""RModel: a network as SOFIE sees it, named tensors and a list of ONNX-style operators in order of computation."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.errors import DtypeError, GraphError, ShapeError
from sofie_jit.ir.operators.operator import BATCH, DTYPES, Dim, ROperator, TensorType, bind_shape, format_shape
from sofie_jit.ir.types import tensor_type
from sofie_jit.report import tables

if TYPE_CHECKING:
    from sofie_jit.codegen.weights import Weights
    from sofie_jit.models.model import Model
    from sofie_jit.passes.pipeline import Optimize
    from sofie_jit.report.display import Graph


class RModel:
    """A network of operators over named tensors.

    ``name`` is only a label. Tensors are of four kinds, as in SOFIE: *input*, *initialized* (weights), *intermediate*
    (what operators compute; found by :meth:`generate`), and *output* (intermediate ones that ``infer`` returns). A
    recurrent network may also have *states*, which it carries from one call of ``infer`` to the next.

    >>> model = RModel("tiny")
    >>> model.add_input_tensor_info("x", "float32", (None, 3))
    >>> model.add_initialized_tensor("w", np.ones((3, 2), np.float32))
    >>> model.add_operator(Gemm(inputs=["x", "w"], outputs=["y"]))
    >>> model.add_output_tensor_names("y")
    >>> model.compile().infer(np.ones((1, 3)))
    array([[3., 3.]], dtype=float32)
    """

    def __init__(self, name: str = "model"):
        self.name = name
        self.inputs: dict[str, TensorType] = {}
        self.initialized: dict[str, np.ndarray] = {}
        self.operators: list[ROperator] = []
        self.states: dict[str, TensorType] = {}
        """Tensors that are zeros in the first call of ``infer``, and then what ``updates`` says."""
        self.updates: dict[str, str] = {}
        """State -> the tensor that is its value in the next call."""
        self.outputs: list[str] = []
        self.output_labels: list[str] = []
        """What the user calls the outputs, where that differs from the names of their tensors."""
        self.output_structure: Any = None
        """How ``infer`` packs results: nested lists and dicts of indices into ``outputs``; None: in plain order."""
        self.intermediate: dict[str, TensorType] = {}
        self._generated = False

    # -- building ------------------------------------------------------------------------------------------------

    def add_input_tensor_info(self, name: str, dtype: str, shape: Sequence[int | str | None]) -> None:
        """Declares an input of element type ``dtype`` (a numpy dtype) and ``shape``.

        A leading None is the batch, open until ``infer``. Other dimensions may be names of run-time dimensions.
        """
        dims: list[Dim] = []
        for axis, dim in enumerate(shape):
            if dim is None and axis == 0:
                dim = BATCH
            if isinstance(dim, str):
                if not dim.isidentifier():
                    raise ShapeError(f"input '{name}': a run-time dimension needs a name like 'time', got {dim!r}")
                dims.append(dim)
            elif isinstance(dim, (int, np.integer)) and not isinstance(dim, bool) and dim >= 0:
                dims.append(int(dim))
            else:
                raise ShapeError(
                    f"input '{name}': dimension {axis} of {tuple(shape)} must be a size or the name of a run-time "
                    "dimension; only the first may be None (the batch)"
                )
        self._define(name, "input")
        self.inputs[name] = TensorType(_dtype_name(dtype, f"input '{name}'"), tuple(dims))

    def add_state_tensor_info(self, name: str, dtype: str, shape: Sequence[int]) -> None:
        """Declares a state: zeros in the first call of ``infer``, then what :meth:`update_state` names."""
        if not all(isinstance(dim, (int, np.integer)) and not isinstance(dim, bool) and dim >= 0 for dim in shape):
            raise ShapeError(f"state '{name}': every dimension must be a size, the batch's too, got {tuple(shape)}")
        self._define(name, "state")
        self.states[name] = TensorType(_dtype_name(dtype, f"state '{name}'"), tuple(int(dim) for dim in shape))

    def update_state(self, name: str, value: str) -> None:
        """Makes tensor ``value`` of one call of ``infer`` the state ``name`` of the next; the last update counts."""
        self._generated = False
        self.updates[name] = value

    def add_initialized_tensor(self, name: str, array: Any) -> None:
        """Adds a weight: a numpy array of float32, float64, int32, int64 or bool. It is not copied."""
        values = np.asarray(array)
        _dtype_name(values.dtype, f"initialized tensor '{name}'")
        self._define(name, "initialized tensor")
        self.initialized[name] = values

    def add_operator(self, operator: ROperator) -> None:
        """Appends an operator; operators are added in the order of computation."""
        if not isinstance(operator, ROperator):
            raise GraphError(f"add_operator takes an operator such as Gemm(...), got {type(operator).__name__}")
        if not operator.outputs:
            raise GraphError(
                f"{operator.op_type} has no outputs: give outputs=[...] a name for each tensor it computes"
            )
        self._generated = False
        self.operators.append(operator)

    def add_output_tensor_names(self, *names: str | Iterable[str]) -> None:
        """Appends names of tensors that ``infer`` returns, in this order."""
        self._generated = False
        for name in names:
            self.outputs.extend([name] if isinstance(name, str) else name)

    def _define(self, name: str, kind: str) -> None:
        self._generated = False
        if not name:
            raise GraphError(f"an {kind} needs a name")
        tables = ((self.inputs, "input"), (self.states, "state"), (self.initialized, "initialized tensor"))
        for table, other in tables:
            if name in table:
                raise GraphError(f"{kind} '{name}': there is already an {other} of that name; names must be unique")

    # -- checking ------------------------------------------------------------------------------------------------

    def generate(self) -> None:
        """Infers the type of every intermediate tensor and checks names, shapes, element types and order.

        Raises GraphError, ShapeError or DtypeError, naming the operator, its place and what disagrees.
        """
        if self._generated:
            return
        known: dict[str, TensorType] = {**self.inputs, **self.states}
        known.update((name, tensor_type(values)) for name, values in self.initialized.items())
        produced = {name: i for i, op in enumerate(self.operators) for name in op.outputs}
        intermediate: dict[str, TensorType] = {}
        for index, op in enumerate(self.operators):
            where = f"operator {index} ({op.op_type}{', ' + op.origin if op.origin else ''})"
            types = [self._lookup(name, known, produced, index, where) for name in op.inputs]
            try:
                results = op.infer(*types)
            except TypeError as error:
                if _accepts(op, len(types)):
                    raise
                raise GraphError(f"{where}: {len(types)} inputs {op.inputs} do not fit this operator") from error
            except (ShapeError, DtypeError) as error:
                raise type(error)(f"{where}: {error}") from None
            results = results if isinstance(results, tuple) else (results,)
            if len(op.outputs) > len(results):
                raise GraphError(f"{where} computes {len(results)} tensors, but outputs names {len(op.outputs)}")
            for name, result in zip(op.outputs, results, strict=False):
                if not name:
                    continue
                if name in known:
                    raise GraphError(f"{where} writes '{name}', which exists already; every tensor is written once")
                known[name] = intermediate[name] = result
        if not self.outputs:
            raise GraphError("the model has no outputs: name them with add_output_tensor_names")
        for name in self.outputs:
            if name not in known:
                raise GraphError(f"output '{name}' is computed by no operator; there are: {_some(known)}")
        for name in dict.fromkeys([*self.states, *self.updates]):
            value = self.updates.get(name, "")
            if name not in known or known.get(value) != known[name]:
                raise GraphError(
                    f"state '{name}', {known.get(name, 'not declared')}, is updated by '{value}', "
                    f"{known.get(value, 'no tensor of this model')}; a state and a tensor of its type are needed"
                )
        self.intermediate = intermediate
        self._generated = True

    @staticmethod
    def _lookup(
        name: str, known: dict[str, TensorType], produced: dict[str, int], index: int, where: str
    ) -> TensorType | None:
        if not name:
            return None
        if name in known:
            return known[name]
        if name in produced:
            raise GraphError(
                f"{where} reads '{name}', which operator {produced[name]} computes; "
                "operators must be added in the order of computation"
            )
        raise GraphError(f"{where} reads '{name}', which is no tensor of this model; there are: {_some(known)}")

    def tensor_type(self, name: str) -> TensorType:
        """Element type and shape of any tensor of the generated model. Raises GraphError for an unknown name."""
        self.generate()
        for table in (self.inputs, self.states, self.intermediate):
            if name in table:
                return table[name]
        if name in self.initialized:
            return tensor_type(self.initialized[name])
        raise GraphError(f"'{name}' is no tensor of this model")

    def unique_name(self, hint: str) -> str:
        """``hint``, with a number behind it if a tensor of that name exists."""
        taken = {*self.inputs, *self.states, *self.initialized, *(name for op in self.operators for name in op.outputs)}
        name, number = hint, 0
        while name in taken:
            number += 1
            name = f"{hint}_{number}"
        return name

    def copy(self) -> RModel:
        """A model of its own with copied operators; the arrays of weights are shared."""
        new = copy.copy(self)
        new.inputs, new.initialized = dict(self.inputs), dict(self.initialized)
        new.states, new.updates = dict(self.states), dict(self.updates)
        new.operators = [copy.copy(op) for op in self.operators]
        for op in new.operators:
            op.inputs, op.outputs = list(op.inputs), list(op.outputs)
        new.outputs, new.output_labels = list(self.outputs), list(self.output_labels)
        new.intermediate, new._generated = {}, False
        return new

    def bind(self, sizes: Mapping[str, int]) -> RModel:
        """A copy in which run-time dimensions have the given ``sizes``, by name."""
        new = self.copy()
        new.inputs = {name: TensorType(t.dtype, bind_shape(t.shape, sizes)) for name, t in self.inputs.items()}
        for op in new.operators:
            op.bind(sizes)
        return new

    # -- using ---------------------------------------------------------------------------------------------------

    def compile(self, *, threads: int | None = None, optimize: Optimize = True) -> Model:
        """Generates, JIT-compiles and returns the :class:`Model` that :func:`sofie_jit.load` returns for a file."""
        from sofie_jit.models.model import Model
        from sofie_jit.models.stateful_model import StatefulModel

        return (StatefulModel if self.states else Model)(self, threads=threads, optimize=optimize)

    def save_header(
        self,
        path: str | os.PathLike[str],
        *,
        weights: Weights = "text",
        namespace: str | None = None,
        self_test: bool = False,
        dispatch: bool = False,
        optimize: Optimize = True,
    ) -> Path:
        """Writes the C++ header to ``path``, which ends in ``.hxx`` or the like.

        ``weights``: ``"text"`` writes them beside it, as ``<stem>.dat`` in SOFIE's form; ``"binary"`` as
        ``<stem>.bin``, smaller and read faster; ``"embedded"`` puts them into the header. ``namespace``: that of the
        Session, by default ``TMVA_SOFIE_<stem>``. ``dispatch``: the header carries code for AVX-512, AVX2 and any
        other processor, and picks when it runs; it is three times as long to compile, and wants no ``-march``.

        ``self_test``: the header carries an input, what the network makes of it in float64, and a function
        ``self_test()`` that says whether it does so wherever the header is compiled; for this the network is compiled
        here, too.

        Run-time dimensions are arguments of ``infer``; :meth:`bind` fixes them. Returns the path of the header.

        Raises GraphError for a file that is no header's, or an option that cannot be, and VerificationError if there
        is to be a self test and the network fails it here.
        """
        from sofie_jit.codegen.print_header import write_header
        from sofie_jit.passes.pipeline import lower

        self.generate()
        lowered = lower(self, optimize)
        expected = None
        if self_test:
            from sofie_jit.verification.reference import reference

            expected = reference(self, optimize=optimize)
        return write_header(
            lowered, Path(path), weights=weights, namespace=namespace, dispatch=dispatch, reference=expected
        )

    # -- printing, under SOFIE's names ---------------------------------------------------------------------------

    def print_required_inputs(self) -> None:
        """Prints the input tensors with type and shape."""
        _print_tensors("Model requires following inputs", self.inputs)

    def print_initialized_tensors(self) -> None:
        """Prints the weights with type and shape."""
        tensors = {name: tensor_type(values) for name, values in self.initialized.items()}
        _print_tensors("Model initialized the following tensors", tensors)

    def print_intermediate_tensors(self) -> None:
        """Prints what the operators compute, with type and shape."""
        self.generate()
        _print_tensors("Model specifies the following intermediate tensors", self.intermediate)

    def print_outputs(self) -> None:
        """Prints the output tensors with type and shape."""
        self.generate()
        _print_tensors("Model outputs", {name: self.tensor_type(name) for name in self.outputs})

    def summary(self) -> str:
        """A table of the operators with their outputs' shapes and parameters."""
        self.generate()
        tensors = [f"input   {name}: {kind}" for name, kind in self.inputs.items()]
        tensors += [f"state   {name}: {kind}" for name, kind in self.states.items()]
        labels = self.output_labels or self.outputs
        tensors += [
            f"output  {label}: {self.tensor_type(name)}" for label, name in zip(labels, self.outputs, strict=True)
        ]
        total = sum(values.size for values in self.initialized.values())
        table = tables.text([("operator", "from", "output", "parameters"), *self.operator_rows()], left=4)
        return "\n".join([*tensors, "", table, "", f"parameters: {total:,}"])

    def operator_rows(self) -> list[tuple[str, str, str, str]]:
        """Of each operator its ONNX name, the layer it came from, its outputs' shapes, and its parameters, as text."""
        self.generate()
        rows = []
        for op in self.operators:
            shapes = " ".join(format_shape(self.tensor_type(name).shape) for name in op.outputs if name)
            count = sum(self.initialized[name].size for name in op.inputs if name in self.initialized)
            rows.append((op.op_type, op.origin, shapes, f"{count:,}"))
        return rows

    def draw(self) -> Graph:
        """The operators and the tensors between them as a drawing for notebooks; its ``save`` writes a file."""
        from sofie_jit.report.display import Graph

        return Graph(self)

    def _repr_html_(self) -> str:
        from sofie_jit.report.display import describe

        return describe("RModel", self)

    def __repr__(self) -> str:
        return (
            f"<RModel '{self.name}': {len(self.operators)} operators, inputs {list(self.inputs)}, "
            f"outputs {self.outputs}, {sum(w.size for w in self.initialized.values()):,} parameters>"
        )


def sizes_of(inputs: Mapping[str, TensorType], shapes: Sequence[Sequence[int | None]]) -> dict[str, int]:
    """The sizes that ``shapes``, one per input, give to the run-time dimensions of ``inputs``; None says nothing.

    Raises ShapeError if they do not fit.
    """
    sizes: dict[str, int] = {}
    declared = ", ".join(f"{name} {format_shape(kind.shape)}" for name, kind in inputs.items())
    if len(shapes) != len(inputs):
        raise ShapeError(f"{len(shapes)} input shapes given, one is needed for each of the inputs: {declared}")
    for (name, kind), shape in zip(inputs.items(), shapes, strict=True):
        if len(shape) != kind.rank:
            raise ShapeError(
                f"input '{name}' is {format_shape(kind.shape)}, which cannot have the shape {tuple(shape)}"
            )
        for dim, size in zip(kind.shape, shape, strict=True):
            expected = sizes.setdefault(dim, size) if isinstance(dim, str) and size is not None else dim
            if size is not None and (size != expected or size < 1):
                raise ShapeError(
                    f"input '{name}' is {format_shape(kind.shape)}, which cannot have the shape {tuple(shape)}: "
                    f"found {size} where {expected} is needed"
                )
    return sizes


def _dtype_name(dtype: Any, what: str) -> str:
    try:
        name: str = np.dtype(dtype).name
    except (TypeError, ValueError):  # ValueError from texts that numpy begins to read
        name = str(dtype)
    if name not in DTYPES:
        raise DtypeError(f"{what} has element type {name}; supported are {', '.join(DTYPES)}")
    return name


def _accepts(op: ROperator, count: int) -> bool:
    import inspect

    try:
        inspect.signature(op.infer).bind(*[None] * count)
    except TypeError:
        return False
    return True


def _some(names: Iterable[str], limit: int = 8) -> str:
    listed = list(names)
    return ", ".join(listed[:limit]) + (", ..." if len(listed) > limit else "")


def _print_tensors(title: str, tensors: dict[str, TensorType]) -> None:
    print(f"{title}:")
    for name, kind in tensors.items():
        print(f"  {name}\ttype: {kind.dtype}\tshape: {format_shape(kind.shape)}")
