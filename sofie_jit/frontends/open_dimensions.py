"""Open dimensions that a translation needs the sizes of, such as the height of images.

Most open dimensions become arguments of the compiled code. Some decide how a layer is computed, so that the network can
be translated only when their sizes are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sofie_jit.errors import ShapeError, SofieError, UnsupportedLayerError
from sofie_jit.frontends.base import Translation, ValuesNeededError
from sofie_jit.ir.dims import BATCH, format_shape, names_of
from sofie_jit.ir.rmodel import RModel, sizes_of

EXAMPLES = ({"batch": 4, "": 256}, {"batch": 8, "": 224}, {"batch": 6, "": 96})
"""Sizes to try a translation with: that of the batch, and that of every other open dimension. Networks that halve an
image several times need multiples of 32."""


def examine(translation: Translation) -> tuple[list[RModel], tuple[str, ...]]:
    """Translates with as few sizes fixed as possible.

    Returns ``([rmodel], ())`` if no open dimension needs a size. Otherwise, returns two RModels for different example
    sizes, and the names of the dimensions that need one.

    Raises SofieError if the network cannot be translated with any of the sizes tried, ShapeError if a network with
    states needs sizes, ValuesNeededError if it can be translated only for given values of some inputs.
    """
    try:
        rmodel = translation()
        rmodel.generate()
        return [rmodel], ()
    except ValuesNeededError:
        raise
    except SofieError as caught:
        error = caught
    names = names_of(dim for kind in translation.inputs.values() for dim in kind.shape)
    others = tuple(name for name in names if name != BATCH)
    for needed in filter(None, dict.fromkeys([others, names])):
        found = []
        for example in EXAMPLES:
            try:
                rmodel = translation({name: example.get(name, example[""]) for name in needed})
                rmodel.generate()
                found.append(rmodel)
            except ValuesNeededError:
                raise
            except SofieError as caught:
                error = _remaining(error, caught)
        if len(found) > 1:
            if found[0].states:
                raise ShapeError(
                    f"{translation.source}: the model has stateful=True layers, so it cannot be compiled per size of "
                    f"{', '.join(needed)}; save it with these dimensions fixed"
                )
            return found[:2], needed
    raise error


def _remaining(error: SofieError, later: SofieError) -> SofieError:
    """``error`` without the problems that disappeared when sizes were known, as ``later`` shows."""
    if not isinstance(error, UnsupportedLayerError) or not isinstance(later, UnsupportedLayerError):
        return error
    remaining = {problem.partition(": ")[0] for problem in later.problems}
    return UnsupportedLayerError(
        [p for p in error.problems if p.partition(": ")[0] in remaining] or later.problems, later.source
    )


def fixed(
    translation: Translation, needed: Sequence[str], input_shapes: Sequence[Sequence[int | None]] | None
) -> RModel:
    """Translates for inputs of these shapes.

    ``needed``: names of the dimensions whose sizes the translation needs.
    ``input_shapes``: one shape per input; None leaves a dimension open.

    Raises ShapeError if a needed dimension stays open or the inputs cannot have these shapes.
    """
    sizes = {} if input_shapes is None else sizes_of(translation.inputs, input_shapes)
    if missing := [name for name in needed if name not in sizes]:
        inputs = ", ".join(f"'{name}' {format_shape(kind.shape)}" for name, kind in translation.inputs.items())
        raise ShapeError(
            f"this model is generated for given sizes of {', '.join(missing)} only; its inputs are {inputs}. Give "
            "their shapes: input_shapes=[(None, 224, 224, 3)], one shape per input, None for an open batch (on the "
            "command line: --input-shape 224,224,3)"
        )
    return translated(translation, sizes)


def translated(translation: Translation, sizes: Mapping[str, int]) -> RModel:
    """Translates with ``sizes`` for open dimensions and checks the result.

    Raises ShapeError if the network cannot have these sizes.
    """
    try:
        rmodel = translation(sizes)
        rmodel.generate()
        return rmodel
    except ValuesNeededError:
        raise
    except SofieError as error:
        if not sizes:
            raise
        found = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        raise ShapeError(f"the model cannot be computed with {found}: {error}") from error
