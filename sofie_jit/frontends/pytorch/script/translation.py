"""Translates a TorchScript module to an RModel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError, OptionError, SofieError
from sofie_jit.frontends import base
from sofie_jit.frontends.base import errors_of_file
from sofie_jit.frontends.content import some
from sofie_jit.frontends.pytorch.evaluator import Evaluator
from sofie_jit.frontends.pytorch.model import ScriptModel
from sofie_jit.frontends.pytorch.promotion import TORCH
from sofie_jit.frontends.pytorch.results import Results
from sofie_jit.frontends.pytorch.script import inputs
from sofie_jit.frontends.pytorch.script.code import Code, ScriptClass
from sofie_jit.frontends.pytorch.script.interpreter import Interpreter
from sofie_jit.frontends.pytorch.script.objects import ModuleDict, ModuleList, ScriptObject
from sofie_jit.frontends.pytorch.values import (
    NUMBERS,
    Complex,
    Refused,
    Tensor,
    complex_number,
    constant_tensor,
    known_array,
    refused_output,
)
from sofie_jit.frontends.replacement import as_tuple, call_replacement
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import bind_shape
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType


class Translation(base.Translation):
    """A TorchScript module that can be translated for any sizes of its open dimensions.

    ``input_shapes`` and ``input_dtypes``: those of the tensors that ``forward`` takes.
    """

    format = "PyTorch"

    def __init__(
        self,
        model: ScriptModel,
        replace: Mapping[str, Callable[..., Any]] | None = None,
        outputs: Sequence[str] | None = None,
        input_shapes: Sequence[Sequence[Any]] | Mapping[str, Sequence[Any]] | None = None,
        input_dtypes: Sequence[str] | str | None = None,
    ):
        self.model = model
        self.replace = replace or {}
        self.wanted = outputs
        self.code = Code(model.code)
        kind = self.code.find(str(model.root.get("object"))) if isinstance(model.root, dict) else None
        if not isinstance(kind, ScriptClass) or "forward" not in kind.methods:
            raise ModelFileError(f"'{model.source}': the code of the module's forward is not in the archive")
        self.parameters = inputs.parameters(kind.methods["forward"])
        self.dtypes = input_dtypes
        self.types = None if input_shapes is None else inputs.input_types(self.parameters, input_shapes, input_dtypes)
        self.modules = _paths(model.root, "")
        self._nodes: list[base.Node] | None = None
        for option, names in (("replace", self.replace), ("outputs", outputs or ())):
            for name in names:
                if name not in self.modules:
                    raise ModelFileError(
                        f"{option}= names '{name}', which is not a module of this model; its modules are: "
                        f"{some(self.modules)}"
                    )

    @property
    def source(self) -> str:
        """The name of the file in messages."""
        return self.model.source

    @property
    def inputs(self) -> dict[str, TensorType]:
        """Name -> type of the inputs. Raises OptionError if their shapes were not given."""
        if self.types is None:
            raise OptionError(inputs.described(self.parameters))
        return self.types

    @property
    def shapes_known(self) -> bool:
        """Whether the shapes of the inputs were given."""
        return self.types is not None

    def for_inputs(self, arrays: Sequence[np.ndarray]) -> Translation:
        """The same model for inputs of the shapes and types of arrays; floating-point numbers in the model's type."""
        kinds = [self.floating if array.dtype.kind == "f" else array.dtype.name for array in arrays]
        shapes = inputs.shapes_of(arrays)
        return Translation(self.model, self.replace, self.wanted, shapes, self.dtypes or kinds)

    @property
    def floating(self) -> str:
        """The floating-point type of the first parameter; float32 if there is none."""
        return next((t.dtype for t in self.model.tensors if t.dtype in ("float32", "float64")), "float32")

    def names_of_inputs(self, count: int) -> list[str]:
        """The names of ``count`` inputs."""
        return inputs.names_of(self.parameters, count)

    def outline(self) -> dict[str, Any]:
        """The parameters of ``forward``, the paths of the modules, and the number of elements of the tensors."""
        return {
            "inputs": [{"name": parameter.name, "type": parameter.kind} for parameter in self.parameters],
            "modules": self.modules,
            "parameters": sum(tensor.elements.size for tensor in self.model.tensors),
        }

    def describe_inputs(self) -> str:
        """The parameters of ``forward``."""
        return inputs.described(self.parameters)

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel with ``sizes`` for open dimensions by name.

        Raises UnsupportedLayerError listing all operators that are not supported.
        """
        with errors_of_file(self.source):
            rmodel = RModel("model")
            builder = Builder(rmodel, TORCH)
            tensors = {
                name: Tensor(builder.input(name, kind.dtype, bind_shape(kind.shape, sizes or {})))
                for name, kind in self.inputs.items()
            }
            interpreter = self.interpreter(builder)
            result = None
            try:
                with interpreter.problems.collected():
                    result = self.run(interpreter, tensors)
            finally:
                self._nodes = interpreter.nodes
            interpreter.problems.raise_all()
            self.finish(interpreter, result, rmodel)
            rmodel.generate()
            return rmodel

    def interpreter(self, builder: Builder) -> Interpreter:
        """An interpreter with the objects of the file."""
        made: dict[int, Any] = {}

        def value(stored: Any, path: str) -> Any:
            if isinstance(stored, list):
                return ModuleList(value(item, path) for item in stored)
            if not isinstance(stored, dict):
                return stored
            if "tensor" in stored:
                number = stored["tensor"]
                if number not in made:
                    tensor = self.model.tensors[number]
                    made[number] = (
                        Refused(f"a tensor of type {tensor.dtype}")
                        if tensor.array is None
                        else constant_tensor(tensor.array, path, builder)
                    )
                return made[number]
            if "tuple" in stored:
                return tuple(value(item, path) for item in stored["tuple"])
            if "dict" in stored:
                return ModuleDict((_key(key), value(item, path)) for key, item in stored["dict"])
            kind = self.code.find(stored["object"])
            found = ScriptObject(
                kind if isinstance(kind, ScriptClass) else None, stored["object"], path, {}, is_module=True
            )
            for name, item in stored["attributes"].items():
                found.attributes[name] = value(item, f"{path}.{name}" if path else name)
            return found

        constants = value(self.model.constants, "CONSTANTS")
        listed = constants if isinstance(constants, (tuple, list)) else ()
        interpreter = Interpreter(self.code, [_constant(given, builder) for given in listed], Evaluator(builder))
        interpreter.root = value(self.model.root, "")
        return interpreter

    def run(self, interpreter: Interpreter, tensors: Mapping[str, Tensor]) -> Any:
        """The result of ``forward``."""
        interpreter.replace = {
            path: _replacement(path, function, interpreter.evaluator.builder) for path, function in self.replace.items()
        }
        given = inputs.arguments(self.parameters, tensors)
        try:
            result = interpreter.call_method(interpreter.root, "forward", (), given)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            if error is interpreter.error_of_user or isinstance(error, SofieError):
                raise
            raise ModelFileError(
                f"{interpreter.path or 'forward'}: the code cannot be evaluated ({type(error).__name__}: {error})"
            ) from error
        if self.wanted is not None:
            if missing := [path for path in self.wanted if path not in interpreter.results]:
                raise ModelFileError(f"outputs= names '{missing[0]}', which the model does not call")
            return [interpreter.results[path] for path in self.wanted]
        return result

    def finish(self, interpreter: Interpreter, result: Any, rmodel: RModel) -> None:
        """Makes ``result`` the outputs of the RModel."""
        results = Results(interpreter.evaluator.builder)

        def collect(value: Any, name: str) -> Any:
            if isinstance(value, dict):
                return {"dict": [[key, collect(item, f"{name}_{key}")] for key, item in value.items()]}
            if isinstance(value, (list, tuple)):
                parts = [collect(item, f"{name}_{index}") for index, item in enumerate(value)]
                return parts if isinstance(value, list) else {"tuple": parts}
            found = value.value if isinstance(value, Tensor) else value
            if not isinstance(found, (Symbol, np.ndarray, *NUMBERS)) and found is not None:
                raise refused_output(found, name)
            results.add(name, found)
            return len(results.names) - 1

        structure = collect(result, "output")
        results.nest(structure)
        if isinstance(structure, int) or self.wanted is not None:
            results.structure = None
        results.finish(rmodel)

    def nodes(self) -> list[base.Node]:
        """The calls of operators in execution order."""
        if self._nodes is None:
            try:
                self()
            except SofieError:
                pass  # the nodes until there
        return self._nodes or []

    @property
    def metadata(self) -> dict[str, str]:
        """The format, and its version if the file has it."""
        known = {"version of TorchScript": self.model.version} if self.model.version else {}
        return {"format": f"{self.format} (TorchScript)"} | known

    def nested_inputs(self, values: Sequence[Any]) -> Any:
        """Values, one per input, as the positional arguments of ``forward``."""
        given = inputs.arguments(self.parameters, dict(zip(self.inputs, values, strict=True)))
        return list(given.values())

    def original(self, source: Any, **options: Any) -> base.OriginalModel:
        """The same model in PyTorch."""
        from sofie_jit.frontends.pytorch.original import of_script

        return of_script(source, self)


def _key(key: Any) -> Any:
    return tuple(key["tuple"]) if isinstance(key, dict) else key


def _constant(value: Any, builder: Builder) -> Any:
    """A constant of the code. Traces have Python's numbers as tensors without axes, which count as numbers."""
    if isinstance(value, Tensor) and isinstance(value.value, Complex) and not value.value.rank:
        number = complex(*(np.asarray(known_array(part)).item() for part in (value.value.real, value.value.imag)))
        return complex_number(number, builder)
    if isinstance(value, Tensor) and isinstance(value.value, np.ndarray) and not value.value.ndim:
        number = value.value.item()
        return (
            number if isinstance(number, NUMBERS) and value.value.dtype.name in ("float64", "int64", "bool") else value
        )
    return value


def _paths(stored: Any, path: str) -> list[str]:
    """Paths of all modules in the tree."""
    found = []
    for name, item in stored["attributes"].items() if isinstance(stored, dict) and "object" in stored else ():
        if isinstance(item, dict) and "object" in item:
            inner = f"{path}.{name}" if path else name
            found += [inner, *_paths(item, inner)]
    return found


def _replacement(path: str, function: Callable[..., Any], builder: Builder) -> Callable[..., Any]:
    """A user's function as one of tensors of the program."""

    def call(*given: Any) -> Any:
        builder.origin = f"{path}, replaced"
        symbols = []
        for value in given:
            plain = value.value if isinstance(value, Tensor) else value
            symbols.append(builder.constant(plain) if isinstance(plain, np.ndarray) else plain)
        result = call_replacement(path, function, symbols, {}, as_tuple)
        builder.origin = ""
        return tuple(map(Tensor, result)) if isinstance(result, (tuple, list)) else Tensor(result)

    return call
