"""Lowers the bodies of loops, and prepares them for code generation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import uses, with_bodies


def lower_bodies(rmodel: RModel, lower: Callable[[RModel], RModel]) -> RModel:
    """Applies ``lower`` to each body of the model's operators.

    Weights that a body reads become its own before, so that they can be packed. Afterwards tensors of bodies have names
    that no other tensor of the model has, and their weights are also among those of the model, under the same names.
    """
    if not any(op.bodies for op in rmodel.operators):
        return rmodel
    new = rmodel.copy()
    taken = set(_names(new))
    for index, op in enumerate(new.operators):
        if op.bodies:
            lowered = _lowered(rmodel, op, lower)
            bodies = {}
            for attribute, body in lowered.bodies.items():
                prefix = next(name for name in op.outputs if name) + ":"
                while any(name.startswith(prefix) for name in taken):
                    prefix += ":"
                bodies[attribute] = _renamed(body, prefix)
                taken.update(_names(bodies[attribute]))
            new.operators[index] = with_bodies(lowered, bodies)
    read = uses(new)
    new.initialized = {name: values for name, values in new.initialized.items() if name in read}
    for op in new.operators:
        for body in op.bodies.values():
            new.initialized |= body.initialized
    new.generate()
    return new


def _lowered(rmodel: RModel, op: ROperator, lower: Callable[[RModel], RModel]) -> ROperator:
    """The operator with lowered bodies, and without inputs that they do not read."""
    first, inner = op.own_inputs, op.own_body_inputs
    bodies = {}
    for attribute, body in op.bodies.items():
        own = body.copy()
        for name, given in zip(list(body.inputs)[inner:], op.inputs[first:], strict=True):
            if given in rmodel.initialized:
                own.initialized[name] = rmodel.initialized[given]
                del own.inputs[name]
        own.generate()
        bodies[attribute] = lower(own).copy()
    kept = []
    for place, given in enumerate(op.inputs[first:], inner):
        names = {attribute: list(body.inputs)[place] for attribute, body in op.bodies.items()}
        if any(name in bodies[attribute].inputs and uses(bodies[attribute])[name] for attribute, name in names.items()):
            kept.append(given)
        else:
            for attribute, name in names.items():
                bodies[attribute].inputs.pop(name, None)
    return with_bodies(op, bodies, inputs=[*op.inputs[:first], *kept])


def _renamed(network: RModel, prefix: str) -> RModel:
    """The network with a prefix before the names of all tensors, also before those in bodies of its operators."""
    new = network.copy()

    def renamed(names: list[str]) -> list[str]:
        return [name and prefix + name for name in names]

    new.inputs = {prefix + name: kind for name, kind in network.inputs.items()}
    new.initialized = {prefix + name: values for name, values in network.initialized.items()}
    new.outputs = renamed(network.outputs)
    new.operators = []
    for op in network.operators:
        bodies = {name: _renamed(body, prefix) for name, body in op.bodies.items()}
        changed = with_bodies(op, bodies) if bodies else copy.copy(op)
        changed.inputs, changed.outputs = renamed(op.inputs), renamed(op.outputs)
        new.operators.append(changed)
    return new


def _names(network: RModel) -> Iterator[str]:
    """The names of all tensors, those in bodies included."""
    yield from (*network.inputs, *network.initialized)
    for op in network.operators:
        yield from op.outputs
        for body in op.bodies.values():
            yield from _names(body)
