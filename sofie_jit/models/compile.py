"""From a network to the implementation of Model that fits it."""

from __future__ import annotations

from sofie_jit.frontends.base import SizesNeededError, Translation, ValuesNeededError
from sofie_jit.ir.options import Optimize
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit.threads import thread_count
from sofie_jit.models.compiled_model import CompiledModel
from sofie_jit.models.description import Description
from sofie_jit.models.execution import compiled
from sofie_jit.models.model import Model
from sofie_jit.passes.explicit_states import explicit_states
from sofie_jit.passes.pipeline import lower


def compile_rmodel(rmodel: RModel, *, threads: int | None = None, optimize: Optimize = True) -> Model:
    """The Model of a network; see :meth:`RModel.compile`."""
    if not rmodel.states:
        return compile_stateless(rmodel, threads=threads, optimize=optimize)
    from sofie_jit.models.stateful_model import StatefulModel

    description = Description.of(rmodel, optimize, "StatefulModel")
    network = explicit_states(rmodel)
    step = compiled(lower(network, optimize), network.output_labels, thread_count(threads))
    pickled = compile_rmodel, (rmodel,)
    return StatefulModel(description, step, lambda: pickled, threads=threads, optimize=optimize)


def compile_stateless(rmodel: RModel, *, threads: int | None = None, optimize: Optimize = True) -> CompiledModel:
    """The Model of a network that has no states."""
    description = Description.of(rmodel, optimize)
    execution = compiled(lower(rmodel, optimize), description.output_names, thread_count(threads))
    pickled = compile_rmodel, (rmodel,)
    return CompiledModel(description, execution, lambda: pickled, threads=threads, optimize=optimize)


def compile_translation(translation: Translation, *, threads: int | None = None, optimize: Optimize = True) -> Model:
    """The Model of a network that a frontend read; see :func:`sofie_jit.load`.

    Raises SofieError if the network cannot be translated.
    """
    if not translation.shapes_known:
        from sofie_jit.models.first_call_model import FirstCallModel

        return FirstCallModel(translation, compile_translation, threads=threads, optimize=optimize)
    try:
        rmodel = translation()
    except ValuesNeededError as error:
        from sofie_jit.models.value_model import ValueModel

        return ValueModel(translation, sorted(error.names), compile_translation, threads=threads, optimize=optimize)
    except SizesNeededError as error:
        from sofie_jit.models.size_model import SizeModel

        return SizeModel(translation, sorted(error.names), compile_translation, threads=threads, optimize=optimize)
    return compile_rmodel(rmodel, threads=threads, optimize=optimize)
