"""What a handler of an ONNX operator is, and the table of all of them.

A handler turns one node into operators::

    @node("Clip", since=11)
    def clip(call: OnnxCall, x: Symbol, low: np.ndarray | None = None, high: np.ndarray | None = None) -> Symbol:
        ...

Its parameters are the inputs of the node; those that have a default may be omitted. The annotation tells what the
handler takes: a ``Symbol`` is any tensor, an ``np.ndarray`` must be known before the model runs (an initializer, a
constant, or computed from shapes), ``Value`` is either. The handler reads the attributes through ``call``; a node with
an attribute that is not read is refused. It returns the first output, or a tuple of outputs.

``since`` is the version of the operator set in which this form of the operator appeared. The handler of a node is the
newest one that is not newer than the opset of the model.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from sofie_jit.errors import OptionError, UnsupportedLayerError
from sofie_jit.frontends.onnx.former_attributes import version_of
from sofie_jit.frontends.onnx.model import Node
from sofie_jit.frontends.onnx.nodes.call import Handler, OnnxCall
from sofie_jit.frontends.onnx.refusals import refused
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.frontends.onnx.values import Value, dtype_of, of_int32
from sofie_jit.frontends.wording import CUT, refusal
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.registrations import registered

_handlers: dict[tuple[str, str], dict[int, Handler]] = {}
"""Domain and operator -> version -> handler."""
_known: dict[str, Callable[..., Any]] = {}
_users: set[tuple[str, str, int]] = set()
"""Domain, operator and version of the handlers that users registered."""


def node(*op_types: str, since: int = 1, domain: str = "") -> Callable[[Handler], Handler]:
    """Registers a function as the handler of operators of ``domain`` from version ``since`` on.

    Raises ValueError if one of them has a handler for this version.
    """

    def register(handler: Handler) -> Handler:
        for op_type in op_types:
            versions = _handlers.setdefault((domain, op_type), {})
            if since in versions:
                raise ValueError(f"{op_type} has two handlers since version {since}")
            versions[since] = handler
        return handler

    return register


def direct(*operators: type[ROperator], attributes: Sequence[str] = (), since: int = 1) -> None:
    """Registers handlers for operators that the RModel has in ONNX's form, with the same inputs and outputs.

    ``attributes``: names of the attributes that they have.
    """
    for operator in operators:
        _direct(operator, attributes, since)


def _direct(operator: type[ROperator], attributes: Sequence[str], since: int) -> None:
    @node(operator.__name__, since=since)
    def handler(call: OnnxCall, *inputs: Symbol | None) -> tuple[Symbol, ...]:
        return call.add_all(call.operator(operator, *attributes), *_taken(call, operator, inputs))


def _taken(call: OnnxCall, operator: type[ROperator], inputs: Sequence[Symbol | None]) -> Sequence[Symbol | None]:
    """The inputs of ``operator``; refuses a node that lacks one that it needs, or has more than it takes."""
    listed = list(inspect.signature(operator.infer).parameters.values())[1:]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in listed):
        return inputs
    if extra := [name for name in call.node.inputs[len(listed) :] if name]:
        call.refuse(f"its input '{extra[0]}', number {len(listed) + 1}, is not supported")
    taken = inputs[: len(listed)]
    for parameter, value in itertools.zip_longest(listed, taken):
        if value is None and parameter.default is parameter.empty:
            call.refuse(f"its input '{parameter.name}' is missing")
    return taken


def register_operator(domain: str, name: str, function: Handler | None = None, *, since: int = 1) -> Any:
    """Adds an operator of ONNX files, or a form of it, that this package does not support.

    ``domain``, ``name``: those of the operator; ``""`` is ONNX's own domain.
    ``function``: called with an :class:`OnnxCall`, from which it reads the attributes, and a Symbol per input. It
    returns a Symbol, or a tuple of Symbols. If it is omitted, the result is a decorator.
    ``since``: the version of the domain from which on the function is meant.

    Parameters with a default are inputs that may be omitted. An input whose parameter is annotated with ``np.ndarray``
    must be constant. A node with an attribute that the function does not read is refused.

    Registering an operator again replaces the earlier function. Raises OptionError for an operator that this package
    supports in this version, or in all later ones; ``load(replace=)`` replaces single nodes.

    >>> from sofie_jit import ops, register_operator, unregister_operator
    >>> @register_operator("com.example", "ScaledTanh")
    ... def scaled_tanh(call, x):
    ...     return call.number("alpha", 1.0) * ops.tanh(x)
    >>> unregister_operator("com.example", "ScaledTanh")
    """
    if function is None:
        return lambda function: register_operator(domain, name, function, since=since)
    versions = handlers().get((domain, name), {})
    own = [version for version in versions if (domain, name, version) not in _users]
    newest = max((max(found) for (place, _), found in _handlers.items() if place == domain), default=0)
    if own and (since == 1 or min(own) <= since <= newest):
        raise OptionError(
            f"{domain or 'ai.onnx'}.{name} is supported from version {min(own)} on, so that the function would not be "
            "used: load(replace={node: function}) replaces a node of a model"
        )
    versions = _handlers.setdefault((domain, name), {})
    versions[since] = function
    _users.add((domain, name, since))
    registered.add(("ONNX", domain, name, since))
    return function


def unregister_operator(domain: str, name: str, *, since: int = 1) -> None:
    """Undoes :func:`register_operator`. Raises KeyError if the operator was not registered."""
    _users.remove((domain, name, since))
    registered.discard(("ONNX", domain, name, since))
    versions = _handlers[domain, name]
    del versions[since]
    if not versions:
        del _handlers[domain, name]


def known(*op_types: str) -> Callable[[Handler], Handler]:
    """Registers a function of arrays that computes ONNX's operators ``op_types`` if all inputs are known.

    It returns None if it cannot; then the handler of the operator is called.
    """

    def register(function: Handler) -> Handler:
        _known.update(dict.fromkeys(op_types, function))
        return function

    return register


@cache
def _import_handlers() -> None:
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")


def handlers() -> Mapping[tuple[str, str], Mapping[int, Handler]]:
    """All handlers, by domain and operator and by version."""
    _import_handlers()
    return _handlers


def known_result(call: OnnxCall, inputs: Sequence[Value | None]) -> Any:
    """The outputs of a node all of whose inputs are known; None if they cannot be computed without an operator."""
    _import_handlers()
    function = None if call.node.domain else _known.get(call.node.op_type)
    if function is None or not all(value is None or isinstance(value, np.ndarray) for value in inputs):
        return None
    result = function(call, *inputs)
    is_integer = isinstance(result, np.ndarray) and result.dtype in (object, np.int64)
    return of_int32(result) if is_integer and _is_int32(call, inputs) else result


def _is_int32(call: OnnxCall, inputs: Sequence[Any]) -> bool:
    """Whether the integers that a function of known arrays has computed are of int32, which numpy's need not be."""
    match call.node.op_type:
        case "Cast":
            return element_type(call.integer("to"), "its output").name == "int32"
        case "Shape" | "Constant" | "ConstantOfShape" | "NonZero":
            return False
        case "Where":
            return dtype_of(inputs[1]) == "int32"
    return dtype_of(inputs[0]) == "int32"


def _since(node: Node) -> int | None:
    """The version from which on the handler of a node is meant; None if there is none for its version."""
    version = version_of(node)
    return max((since for since in handlers().get((node.domain, node.op_type), {}) if since <= version), default=None)


def translator(node: Node) -> str:
    """Whose function translates a node: ours, or one that a user has registered; for messages."""
    is_users = (node.domain, node.op_type, _since(node)) in _users
    return f"the function that is registered for {node.type}" if is_users else "sofie_jit"


def find(node: Node) -> Handler:
    """The handler of a node. Raises UnsupportedLayerError if there is none for its version."""
    versions = handlers().get((node.domain, node.op_type), {})
    since = _since(node)
    if since is not None:
        return versions[since]
    if versions:
        reason = f"of opset {node.version}; this operator is supported from opset {min(versions)} on"
        raise UnsupportedLayerError(refusal(node.label, reason, "convert the model with onnx.version_converter"))
    if known := refused(node.domain, node.op_type):
        replace = "pass a function for it to load(..., replace={node: function})"
        raise UnsupportedLayerError(refusal(node.label, *known, replace, CUT))
    register = "register a function for it with sofie_jit.register_operator"
    replace = "pass one to load(..., replace={node: function})"
    raise UnsupportedLayerError(refusal(node.label, "the operator is not supported", register, replace, CUT))
