"""Turns states into inputs and outputs, so that the compiled code is a pure function."""

from __future__ import annotations

from sofie_jit.ir.rmodel import RModel


def explicit_states(rmodel: RModel) -> RModel:
    """The model with its states as further inputs, and their next values as further outputs, both at the end.

    ``updates`` still says which output is which input's next value. ``output_structure`` becomes a dict of the
    model's own ``outputs`` and a list of ``states``.
    """
    if not rmodel.states:
        return rmodel
    new = rmodel.copy()
    numbers = list(range(len(new.outputs) + len(new.states)))
    outputs, states = numbers[: len(new.outputs)], numbers[len(new.outputs) :]
    if new.output_structure is None:
        new.output_structure = outputs if len(outputs) > 1 else outputs[0]
    new.output_structure = {"outputs": new.output_structure, "states": states}
    new.output_labels = [*(new.output_labels or new.outputs), *new.states]
    new.inputs.update(new.states)
    new.outputs += [new.updates[name] for name in new.states]
    new.states = {}
    return new
