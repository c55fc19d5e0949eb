"""``sofie_jit.load`` and ``sofie_jit.check``, for models of every format.

The modules that read and compile a model are imported by the functions that do it, since a model from the cache needs
none of them.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sofie_jit.errors import OptionError, SofieError, UnsupportedLayerError, without_folder
from sofie_jit.jit import cache_hints
from sofie_jit.models import file_cache

if TYPE_CHECKING:
    from sofie_jit.frontends.report import Report
    from sofie_jit.ir.options import Optimize
    from sofie_jit.ir.rmodel import InputShapes
    from sofie_jit.models.columns import Columns
    from sofie_jit.models.model import Model

BIG = 10_000_000
"""Minimum bytes of a model for which the steps of loading are shown on a terminal."""


def load(
    source: str | os.PathLike[str] | Any,
    *,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    input_shapes: InputShapes | None = None,
    columns: Columns | None = None,
    threads: int | None = None,
    optimize: Optimize = True,
    verify: bool = False,
    untrusted: bool | None = None,
    **options: Any,
) -> Model:
    """Loads a saved model and compiles it.

    Parameters
    ----------
    source
        A file that Keras saved: ``.h5`` or ``.hdf5`` of any version, ``.keras`` or its unpacked directory, or weights
        alone together with ``config``. An ONNX file, with its files of external data. A compiled library, which
        :meth:`Model.save_library` wrote; it is code, so load only those that you trust. The content of one of these
        files as bytes, or open for reading. A ``.pt2`` file of ``torch.export.save``, or a TorchScript file with
        ``input_shapes``. Or a live model: a ``keras.Model``, or a ``torch.nn.Module`` together with ``example_inputs``.
        The format is determined by the content, not by the file name.
    config
        The architecture, if the file has none: the path of a ``.json`` file, JSON text, or a dict as
        ``model.to_json()`` and ``get_config()`` return them.
    outputs
        Names of layers, or of tensors of an ONNX file. The loaded model ends there and returns their values instead of
        its own outputs.
    replace
        Functions that take the place of layers, by the layers' names: ``{"lambda_1": lambda t: t / 127.5 - 1}``. They
        are called with symbolic tensors, which support arithmetic and the functions of ``sofie_jit.ops``. Code in the
        file is never executed.
    input_shapes
        One shape for each input, to fix sizes that the file leaves open; None leaves a size open:
        ``[(None, 224, 224, 3)]``. A dict gives shapes of some inputs by name: ``{"jets": (None, 20, 8)}``. The compiled
        model takes inputs of these shapes only. It is needed for TorchScript files, which do not contain shapes, and
        for the few layers that cannot be computed in any size.
    columns
        Names of the columns of tables that make up a row, in order, for ``Model.predict``; for several inputs a dict by
        input name. Data frames are then matched by name.
    threads
        The maximum number of threads that share a large batch. By default the value of ``SOFIE_JIT_NUM_THREADS`` or
        ``OMP_NUM_THREADS``, else the number of cores that this process may use by its affinity and its CPU quota.
        Results are the same to the last bit for any number.
    optimize
        True applies all optimizations, False only the rewrites that code generation needs, with the same results
        within rounding. A list of names applies these optimizations: ``["fuse_add", "fuse_activation"]``
        (``sofie_jit/passes``).
    verify
        Checks the compiled model on random inputs against the same network in float64 without optimizations. This
        takes several times as long.
    untrusted
        The process that reads a file. None: a forked copy of this one, because a damaged file can crash HDF5's library;
        this takes some milliseconds, or a tenth of a second if this process is large; but this process itself for ONNX
        and PyTorch files, whose readers cannot crash. True: a new process with limits of memory and time, for files
        from unknown sources; this takes about a second longer, and compiled libraries are refused. False: this process.
    options
        Further options of the model's format. ONNX: ``values``, arrays by name for inputs that get a fixed value.
        Keras: ``backend``, "theano" or "tensorflow", for files of Keras 1, which do not say which of them trained it.
        PyTorch: ``example_inputs``, ``example_kwargs`` and ``dynamic_shapes``, as ``torch.export.export`` takes them,
        for a live module; its first dimension is open if it can be. ``input_dtypes``, the types of the tensors that a
        TorchScript module takes, by default float32.

    Returns
    -------
    Model
        Its ``infer`` takes and returns numpy arrays.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is damaged or is not a model.
    WeightsError
        The weights do not fit the architecture.
    UnsupportedLayerError
        Layers cannot be translated; the message lists all of them.
    OptionError
        The format has no such option, or ``optimize`` names an unknown optimization.
    VerificationError
        ``verify`` found wrong results.

    Examples
    --------
    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE, load_digits
    >>> model = sofie_jit.load(MODEL_FILE)
    >>> images, labels, _ = load_digits()
    >>> images.shape, images.dtype
    ((100, 8, 8, 1), dtype('float32'))
    >>> probabilities = model.infer(images)
    >>> probabilities.shape, probabilities.dtype
    ((100, 10), dtype('float32'))
    >>> probabilities[:5].argmax(axis=1).tolist() == labels[:5].tolist()
    True
    """
    _refuse_misspelt(options)
    if input_shapes is not None:
        options = {**options, "input_shapes": input_shapes}
    start = time.perf_counter()
    cached = file_cache.source_of(
        source, config=config, outputs=outputs, replace=replace, optimize=optimize, verify=verify, untrusted=untrusted,
        **options,
    )  # fmt: skip
    model = None if cached is None else file_cache.find(cached, threads=threads)
    if model is None:
        before = len(cache_hints.recurring)
        model = _load(source, config, outputs, replace, threads, optimize, verify, untrusted, options)
        if cached is not None and len(cache_hints.recurring) > before:
            file_cache.want(cached)
    model.columns = columns
    if logging := sys.modules.get("logging"):  # who wants to see the log has imported it
        log = logging.getLogger("sofie_jit")
        if log.isEnabledFor(logging.INFO):  # the network of a compiled library would be read for this
            log.info("%s, loaded in %.2f s", model.describe(), time.perf_counter() - start)
    return model


def _load(
    source: Any,
    config: Any,
    outputs: Sequence[str] | None,
    replace: Mapping[str, Callable[..., Any]] | None,
    threads: int | None,
    optimize: Optimize,
    verify: bool,
    untrusted: bool | None,
    options: dict[str, Any],
) -> Model:
    """Reads, translates and compiles a model; the parameters are those of :func:`load`."""
    from sofie_jit import frontends
    from sofie_jit.frontends.content import byte_size
    from sofie_jit.models.opening import model_of
    from sofie_jit.report.progress import Steps

    size = byte_size(source)
    shown = size >= BIG and sys.stderr.isatty()
    with Steps(f"loading {size / 1e6:.0f} MB", 2 + verify, shown=shown) as step:
        step("reading")
        translation = frontends.open(
            source, config=config, outputs=outputs, replace=replace, untrusted=untrusted,
            meanwhile=functools.partial(_start_compiler, source), **options,
        )  # fmt: skip
        if verify and translation.library is not None:
            raise OptionError(f"{translation.source} is compiled already: verify the model that it was made from")
        step("compiling")
        with cache_hints.noted(source):
            model = model_of(translation, threads=threads, optimize=optimize)
        if verify:
            from sofie_jit.verification.verify import verify as verify_network

            step("verifying")
            verify_network(model.rmodel, optimize=optimize)
    return model


def _refuse_misspelt(options: Mapping[str, Any]) -> None:
    """Raises OptionError for an option that is nearly one of :func:`load`'s own; those of formats are checked later."""
    if not options:
        return
    import difflib  # rarely needed
    import inspect

    own = [name for name in inspect.signature(load).parameters if name not in ("source", "options")]
    for option in options:
        if close := difflib.get_close_matches(option, own, 1, 0.8):
            raise OptionError(f"load() has no option {option}=; did you mean {close[0]}=?")


def _start_compiler(source: Any) -> None:
    """Starts Cling while another process reads a file, unless the machine code is probably in the cache."""
    if cache_hints.expects(source):
        return
    from sofie_jit.jit import runtime_functions

    runtime_functions.start()


def check(
    source: str | os.PathLike[str] | Any,
    *,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    outputs: Sequence[str] | None = None,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    untrusted: bool | None = None,
    **options: Any,
) -> Report:
    """Reports, layer by layer, whether :func:`sofie_jit.load` accepts these arguments; compiles nothing.

    Raises FileNotFoundError if there is no such file. The report contains all other errors.

    >>> from sofie_jit.demo import MODEL_FILE
    >>> report = check(MODEL_FILE)
    >>> report.ok, len(report.nodes), report.nodes[1].type
    (True, 11, 'Conv2D')
    """
    from sofie_jit import frontends
    from sofie_jit.frontends.base import FactsNeededError
    from sofie_jit.frontends.report import NodeReport, Report

    label = str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__
    try:
        translation = frontends.open(
            source, config=config, outputs=outputs, replace=replace, untrusted=untrusted, **options
        )
        if not translation.shapes_known:
            return Report(label, [], node_word=translation.node_word, unknown=translation.describe_inputs())
        found = translation.nodes()
    except SofieError as error:
        return Report(label, str(error).splitlines())
    problems: list[str] = []
    try:
        translation().generate()
    except FactsNeededError:  # it is compiled for those of each call
        pass
    except UnsupportedLayerError as error:
        problems = error.problems
    except SofieError as error:
        problems = [str(error).removeprefix(f"{without_folder(translation.source)}: ")]

    def problem_of(label: str) -> str:
        return next((problem for problem in problems if problem.startswith(f"{label}:")), "")

    nodes = [NodeReport(node.name, node.type, problem_of(str(node))) for node in found]
    return Report(label, problems, nodes, translation.node_word)
