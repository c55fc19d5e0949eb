"""Evaluates the code of a TorchScript archive symbolically: its numbers are computed, its tensors are translated.

TorchScript is a small part of Python: assignments, calls, ``if``, loops, lists, tuples and dicts. The state of the
module must not change. Branches and loops that depend on values of tensors are those of ``control.py``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.base import Node, errors_of_node
from sofie_jit.frontends.pytorch import scalars
from sofie_jit.frontends.pytorch.carried import UNSET, is_computed, number_type
from sofie_jit.frontends.pytorch.computed_numbers import are_computed, compute
from sofie_jit.frontends.pytorch.evaluator import Evaluator, supported
from sofie_jit.frontends.pytorch.script.code import Code, ScriptClass
from sofie_jit.frontends.pytorch.script.functions import FUNCTIONS
from sofie_jit.frontends.pytorch.script.objects import Builtin, Method, ScriptObject
from sofie_jit.frontends.pytorch.script.statements import Returned, Statements
from sofie_jit.frontends.pytorch.values import Refused, Tensor, Undecided, complex_number
from sofie_jit.frontends.wording import CUT

STORING = frozenset(["append", "insert", "_set_item"])
"""Functions that take values of any kind."""
MAX_CALLS = 60
"""Maximum depth of calls; each takes several frames of Python's stack."""


class Interpreter(Statements):
    """Evaluates functions of ``code`` with the constants of an archive."""

    def __init__(self, code: Code, constants: Sequence[Any], evaluator: Evaluator):
        super().__init__(evaluator)
        self.code = code
        self.constants = constants
        self.replace: Mapping[str, Any] = {}
        """Path of a module -> function that takes its place."""
        self.root = ScriptObject(None, "", "", {}, is_module=True)
        self.error_of_user: Exception | None = None
        """An exception of a function in ``replace``."""
        self.depth = 0

    # -- calls ---------------------------------------------------------------------------------------------------

    def call_method(self, owner: ScriptObject, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The result of a method of an object."""
        definition = owner.kind.methods.get(name) if owner.kind else None
        if definition is None:
            raise ModelFileError(f"the class {owner.name} has no method '{name}'")
        if owner.is_module and name.startswith("forward") and owner.path in self.replace:
            try:
                result = self.replace[owner.path](*arguments, *named.values())
            except Exception as error:
                self.error_of_user = error
                raise
        else:
            outer, self.path = self.path, owner.path if owner.is_module else self.path
            try:
                result = self.call_function(definition, (owner, *arguments), named)
            finally:
                self.path = outer
        if owner.is_module and name.startswith("forward"):
            self.results.pop(owner.path, None)
            self.results[owner.path] = _snapshot(result)
        return result

    def call_function(self, definition: ast.FunctionDef, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The result of a function of the code."""
        parameters = [parameter.arg for parameter in (*definition.args.args, *definition.args.kwonlyargs)]
        if len(arguments) > len(parameters) or definition.args.vararg or definition.args.kwarg:
            raise ModelFileError(f"the function '{definition.name}' gets {len(arguments)} arguments")
        scope = dict(zip(parameters, arguments, strict=False)) | dict(named)
        defaults = definition.args.defaults
        for parameter, default in zip(
            definition.args.args[len(definition.args.args) - len(defaults) :], defaults, strict=True
        ):
            if parameter.arg not in scope:
                scope[parameter.arg] = self.evaluate(default, {})
        if missing := [name for name in parameters if name not in scope]:
            raise ModelFileError(f"the function '{definition.name}' lacks the argument '{missing[0]}'")
        self.depth += 1
        if self.depth > MAX_CALLS:
            raise ModelFileError(f"the code calls functions more than {MAX_CALLS} levels deep")
        outer, self.function = self.function, definition
        try:
            self.execute(definition.body, scope)
        except Returned as returned:
            return returned.value
        finally:
            self.depth -= 1
            self.function = outer
        return None

    def operator(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The result of an operator of ATen."""
        base = name.partition(".")[0]
        label = self.label(base)
        given = (*arguments, *named.values())
        if base in scalars.FUNCTIONS and not any(isinstance(value, (Tensor, Refused)) for value in _flat(given)):
            with errors_of_node(f"{label[0]} ({label[1]})", {}, "TorchScript"):
                return scalars.compute(base, *arguments, **named)
        if base in scalars.FUNCTIONS and are_computed(given):
            return compute(self.evaluator, self.node_call(base), base, arguments, named)
        self.nodes.append(Node(*label))
        text = f"{label[0]} ({label[1]})"
        if any(isinstance(value, Refused) for value in _flat(given)):
            with self.problems.collected():
                supported(name, text)
            return Refused(text)
        with self.problems.collected():
            return self.evaluator.call(name, arguments, named, name=label[0], label=text)
        return Refused(text)

    def label(self, operator: str) -> tuple[str, str]:
        """The name of a call of an operator, and its type."""
        name = f"{self.path}/{operator}" if self.path else operator
        count = self._names[name] = self._names.get(name, 0) + 1
        return (name if count == 1 else f"{name}_{count - 1}"), f"aten.{operator}"

    # -- expressions ---------------------------------------------------------------------------------------------

    def evaluate(self, node: ast.expr, scope: dict[str, Any]) -> Any:
        """The value of an expression."""
        self.step()
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise UnsupportedLayerError(
                f"{self.path or 'forward'}: an expression of the kind {type(node).__name__} is not supported"
            )
        return handler(self, node, scope)

    def name(self, node: ast.Name, scope: dict[str, Any]) -> Any:
        if node.id in scope:
            return scope[node.id]
        if node.id in ("inf", "nan"):
            return float(node.id)
        return Builtin(node.id)

    def attribute(self, node: ast.Attribute, scope: dict[str, Any]) -> Any:
        owner = self.evaluate(node.value, scope)
        if isinstance(owner, Builtin):
            name = f"{owner.name}.{node.attr}"
            if owner.name == "CONSTANTS":
                return self.constants[int(node.attr.removeprefix("c"))]
            found = self.code.find(name) if name.startswith("__torch__") else None
            return Builtin(name) if found is None else found if isinstance(found, ast.FunctionDef) else Builtin(name)
        return self.attribute_of(owner, node.attr)

    def attribute_of(self, owner: Any, name: str) -> Any:
        """An attribute of an object."""
        if isinstance(owner, Undecided):
            return owner
        if isinstance(owner, ScriptObject):
            if name in owner.attributes:
                return owner.attributes[name]
            if owner.kind and name in owner.kind.methods:
                return Method(owner, owner.kind.methods[name])
            if owner.kind and name in owner.kind.finals:
                return self.evaluate(owner.kind.finals[name], {})
        raise ModelFileError(f"{self.path or 'forward'}: a value of {type(owner).__name__} has no attribute '{name}'")

    def call(self, node: ast.Call, scope: dict[str, Any]) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id not in scope:
            if node.func.id == "annotate" or node.func.id == "unchecked_cast":
                return self.evaluate(node.args[1], scope)
            if node.func.id == "uninitialized":
                return UNSET
        function = self.evaluate(node.func, scope)
        if isinstance(function, Builtin) and function.name == "torch.isinstance":
            return self.is_instance(self.evaluate(node.args[0], scope), node.args[1])
        arguments = [self.evaluate(argument, scope) for argument in node.args]
        named = {keyword.arg: self.evaluate(keyword.value, scope) for keyword in node.keywords if keyword.arg}
        if isinstance(function, Method):
            return self.call_method(function.owner, function.definition.name, arguments, named)
        if isinstance(function, ast.FunctionDef):
            return self.call_function(function, arguments, named)
        if isinstance(function, Builtin):
            return self.builtin(function.name, arguments, named)
        if isinstance(function, Undecided):
            return function
        raise ModelFileError(f"{self.path or 'forward'}: a value of {type(function).__name__} is called")

    def builtin(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """A function that is not of the archive's code."""
        if name == "getattr":
            return self.attribute_of(*arguments)
        if name.startswith("__torch__"):
            return self.construct(name, arguments, named)
        short = name.removeprefix("torch.").removeprefix("ops.prim.").removeprefix("ops.aten.").removeprefix("_C._nn.")
        short = short.removeprefix("_C.").removeprefix("_VF.").removeprefix("nn.functional.")
        if "." in short:
            text = f"{self.label(short)[0]} ({name})"
            self.nodes.append(Node(text.partition(" ")[0], name))
            self.problems.found.append(f"{text}: the operator is not supported; replace its module with replace=")
            return Refused(text)
        function = FUNCTIONS.get(short)
        if function is not None and short not in STORING:
            refused = next((value for value in (*arguments, *named.values()) if isinstance(value, Refused)), None)
            if refused is not None:
                return refused
        if function is not None:
            with errors_of_node(f"{self.path or 'forward'} ({name})", {}, "TorchScript"):
                result = function(self, *arguments, **named)
            if result is not NotImplemented:
                return result
        return self.operator(short, arguments, named)

    def construct(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """An object of a class of the archive, or a call of a function of it."""
        name = name.removesuffix(".__new__")
        kind = self.code.find(name)
        if not isinstance(kind, ScriptClass):
            raise ModelFileError(f"the code '{name}' is not in the archive; save the model again")
        if kind.is_tuple:
            return tuple(arguments) + tuple(named.values())
        return ScriptObject(kind, name, "", {}, is_module=False)

    def is_instance(self, value: Any, kind: ast.expr) -> Any:
        """Whether a value is of a type; only types that can be told apart are supported."""
        names = {ast.unparse(part) for part in (kind.elts if isinstance(kind, (ast.Tuple, ast.List)) else [kind])}
        known = {"int": int, "float": float, "bool": bool, "str": str, "Tensor": Tensor, "NoneType": type(None)}
        if is_computed(value):
            value = np.zeros((), number_type(value)).item()
        if isinstance(value, Undecided) or not names <= known.keys():
            return Undecided(f"whether a value is of type {', '.join(sorted(names))}")
        return any(type(value) is known[name] for name in names)

    def subscript(self, node: ast.Subscript, scope: dict[str, Any]) -> Any:
        value = self.evaluate(node.value, scope)
        index = self.evaluate(node.slice, scope)
        if isinstance(value, Undecided):
            return value
        if is_computed(index):
            self.node_call("getitem").refuse("its index is a number that the model computes", CUT)
        if not isinstance(value, (list, tuple, dict)):
            raise ModelFileError(f"{self.path or 'forward'}: a value of {type(value).__name__} is indexed")
        try:
            return value[index]
        except (LookupError, TypeError) as error:
            raise ModelFileError(f"{self.path or 'forward'}: there is no element {index!r:.50}") from error

    def dictionary(self, node: ast.Dict, scope: dict[str, Any]) -> Any:
        pairs = zip(node.keys, node.values, strict=True)
        return {self.evaluate(key, scope): self.evaluate(value, scope) for key, value in pairs if key is not None}

    def constant(self, node: ast.Constant, scope: dict[str, Any]) -> Any:
        if isinstance(node.value, complex):
            return complex_number(node.value, self.evaluator.builder)
        return node.value

    def complex_sum(self, node: ast.BinOp, scope: dict[str, Any]) -> Any:
        """A complex number, such as ``0.+1.j``."""
        try:
            number = ast.literal_eval(node)
        except ValueError:
            number = None
        if not isinstance(number, complex):
            raise UnsupportedLayerError(
                f"{self.path or 'forward'}: the expression {ast.unparse(node):.80} is not known"
            )
        return complex_number(number, self.evaluator.builder)

    def unary(self, node: ast.UnaryOp, scope: dict[str, Any]) -> Any:
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return self.constant(ast.Constant(-node.operand.value), scope)  # type: ignore[operator]
        value = self.evaluate(node.operand, scope)
        if isinstance(node.op, ast.USub) and isinstance(value, (int, float)):
            return -value
        if isinstance(node.op, ast.Not):
            return not self.decided(value, "not")
        raise UnsupportedLayerError(f"{self.path or 'forward'}: the operator {type(node.op).__name__} is not supported")


EXPRESSIONS: dict[type[ast.expr], Any] = {
    ast.Constant: Interpreter.constant,
    ast.BinOp: Interpreter.complex_sum,
    ast.Name: Interpreter.name,
    ast.Attribute: Interpreter.attribute,
    ast.Call: Interpreter.call,
    ast.Subscript: Interpreter.subscript,
    ast.List: lambda self, node, scope: [self.evaluate(item, scope) for item in node.elts],
    ast.Tuple: lambda self, node, scope: tuple(self.evaluate(item, scope) for item in node.elts),
    ast.Dict: Interpreter.dictionary,
    ast.UnaryOp: Interpreter.unary,
}
"""Kind of an expression -> function of the interpreter, the expression and the local names."""


def _snapshot(value: Any) -> Any:
    """A value as it is now; later calls may change tensors in place."""
    if isinstance(value, Tensor):
        return Tensor(value.value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(_snapshot, value))
    return value


def _flat(values: Any) -> list[Any]:
    """The values in nested lists and tuples."""
    found = []
    for value in values:
        found += _flat(value) if isinstance(value, (list, tuple)) else [value]
    return found
