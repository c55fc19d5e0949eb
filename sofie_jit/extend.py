"""Adds support for custom layers, composed of existing operators or with a C++ kernel of the user.

See docs/custom_layers.md for worked examples.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sofie_jit.codegen import kernel_library
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, literal
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.errors import GraphError, OptionError
from sofie_jit.frontends.content import some
from sofie_jit.frontends.keras.layers import registry
from sofie_jit.ir.dims import BATCH, Shape, bind_shape
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.registrations import registered
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

_registered: set[str] = set()


def register_layer(
    name: str,
    *,
    package: str | None = None,
    weights: Sequence[str] | Callable[[Mapping[str, Any]], Sequence[str]] = (),
) -> Callable[[registry.Handler], registry.Handler]:
    """Decorates a function that translates the custom Keras layer of class ``name``.

    ``package``: the package under which the class was registered in Keras
    (``keras.saving.register_keras_serializable(package=...)``); None accepts the class from any package.
    ``weights``: names of the layer's weights in the order in which the layer creates them, or a function that returns
    them for a config.

    The function is called with a :class:`~sofie_jit.frontends.keras.layers.call.LayerCall` and the arguments of the
    layer's call, with Symbols for tensors. It returns one or several Symbols:

    >>> @register_layer("Scale", weights=["factor"])
    ... def scale(call, x):
    ...     return x * call.weight("factor", (x.shape[-1],)) + call.config["offset"]

    A custom function that layers use as ``activation`` is registered by its name; it has neither options nor weights:
    ``register_layer("twice")(lambda call, x: 2 * x)``.

    Options that the function does not read must be None, False or empty; otherwise loading raises
    UnsupportedLayerError. Registering a name again replaces the earlier function. Raises OptionError for a name of a
    built-in layer.

    >>> unregister_layer("Scale")
    """
    key = f"{package}>{name}" if package else name
    names = weights if callable(weights) else tuple(weights)

    def register(handler: registry.Handler) -> registry.Handler:
        if key in _registered:
            registry.remove(key)
        registry.layer(key, weights=names, builtin=False)(handler)  # type: ignore[arg-type]
        _registered.add(key)
        registered.add(("Keras", key))
        return handler

    registry.entries()  # built-in layers are registered first, so that a clash is reported for the user's
    return register


def unregister_layer(name: str, *, package: str | None = None) -> None:
    """Undoes :func:`register_layer`. Raises OptionError if the layer was not registered."""
    key = f"{package}>{name}" if package else name
    if key not in _registered:
        raise OptionError(f"no function is registered for '{key}'; registered are: {some(_registered) or 'none'}")
    _registered.remove(key)
    registered.discard(("Keras", key))
    registry.remove(key)


@dataclass(kw_only=True)
class KernelOperator(ROperator):
    """An operator that calls a C++ function of the user.

    ``source``: C++17 that defines ``function``. It may include headers of the standard library; the element types are
    float, double, std::int32_t, std::int64_t and bool::

        template <class T>
        void function(std::size_t n, ..., T parameter, ..., const T *x, ..., T *y)

    The function is called with the number of elements of each shape in ``sizes`` (by default the output's shape), the
    ``parameters`` converted to the first input's type, a pointer per input, and a pointer to the output.
    ``output``: the output's type, by default that of the first input. The source is part of exported headers.

    ``rows_mix``: whether a row of the output depends on other rows of the inputs. Otherwise the batch may be computed
    in tiles.

    ``definition``: the same function in numpy, from an array per input to the output, in their floating-point type.
    ``load(verify=True)`` and ``save_header(self_test=True)`` compare the kernel with it. Without it, they compute this
    operator by its kernel in float64.

    >>> square = KernelOperator(
    ...     source="template <class T> void square(std::size_t n, const T *x, T *y)"
    ...     "{ for (std::size_t i = 0; i < n; ++i) y[i] = x[i] * x[i]; }",
    ...     function="square", inputs=["x"], outputs=["y"])
    >>> square.infer(TensorType("float32", ("batch", 3)))
    TensorType(dtype='float32', shape=(batch, 3))
    """

    source: str
    function: str
    sizes: Sequence[Shape] | None = None
    parameters: Sequence[float] = ()
    output: TensorType | None = None
    rows_mix: bool = False
    definition: Callable[..., Any] | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the source, so that functions of the same name do not clash."""
        return f"user_{hashlib.sha256(self.source.encode()).hexdigest()[:12]}"

    def infer(self, *inputs: TensorType) -> TensorType:
        if not re.fullmatch(r"[A-Za-z_]\w*", self.function) or self.function not in self.source:
            raise GraphError(f"KernelOperator: its source defines no function '{self.function}'")
        if not inputs:
            raise GraphError("KernelOperator needs at least one input")
        return self.output or inputs[0]

    def evaluate(self, *inputs: Any) -> Any:
        return super().evaluate(*inputs) if self.definition is None else self.definition(*inputs)

    def bind(self, sizes: Mapping[str, int]) -> None:
        if self.sizes is not None:
            self.sizes = [bind_shape(tuple(shape), sizes) for shape in self.sizes]
        if self.output is not None:
            self.output = TensorType(self.output.dtype, bind_shape(self.output.shape, sizes))

    def retype(self, dtypes: Mapping[str, str]) -> None:
        if self.output is not None:
            self.output = TensorType(dtypes.get(self.output.dtype, self.output.dtype), self.output.shape)

    def mixes_places(self, axis: int, *inputs: TensorType) -> bool:
        return axis != 0 or self.rows_mix or (self.output is not None and self.output.shape[:1] != (BATCH,))


def _kernels(op: KernelOperator) -> tuple[str, ...]:
    return ("core/simd.hxx", kernel_library.add_source(op.namespace, op.source))


@emits(KernelOperator, kernels=_kernels)
def kernel_operator(op: KernelOperator, code: Emitter) -> Call:
    """The call of the user's function."""
    first, y = code.type_of(0), code.outputs[0]
    sizes = [code.count(tuple(shape)) for shape in ([y.shape] if op.sizes is None else op.sizes)]
    numbers = [literal(value, first.dtype) for value in op.parameters]
    inputs = [code.input(index) for index in range(len(code.inputs))]
    return code.call(f"{op.namespace}::{op.function}", *sizes, *numbers, *inputs, code.output(0))
