"""The parts that all frontends share: models before translation, the argument of handlers, original models.

A frontend is a package with a function ``open(source, *, untrusted, meanwhile, **options) -> Translation``. It reads
the file in the sandbox, returns a :class:`Translation`, and translates node by node: a handler gets a
:class:`NodeCall`, and :class:`Problems` collects the nodes that are refused, so that one error lists them all.
``sofie_jit.frontends`` has the table of formats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

import numpy as np

from sofie_jit.errors import InputError, ModelFileError, SofieError, UnsupportedLayerError
from sofie_jit.frontends.wording import refusal
from sofie_jit.ir.dims import FIX_SIZES, names_of

if TYPE_CHECKING:
    from sofie_jit.ir.builder import Builder, Symbol
    from sofie_jit.ir.operators.operator import ROperator
    from sofie_jit.ir.rmodel import RModel
    from sofie_jit.ir.types import TensorType
    from sofie_jit.jit.library_file import LibraryFile

# -- models ------------------------------------------------------------------------------------------------------------


class Node(NamedTuple):
    """A node of a model as its file describes it: a layer, or an operator of a graph."""

    name: str
    """Its name, with the names of the models around it."""
    type: str
    """Its class or operator type."""

    def __str__(self) -> str:
        return f"{self.name} ({self.type})"


class Translation(ABC):
    """A model that was read, and can be translated for any sizes of its open dimensions.

    :func:`sofie_jit.frontends.open` returns one.
    """

    format: ClassVar[str]
    """The name of the format, such as ``"Keras"``."""
    node_word: ClassVar[str] = "node"
    """The format's word for a node."""
    library: LibraryFile | None = None
    """The compiled library that the source is; None for a model that must be compiled."""

    @property
    @abstractmethod
    def source(self) -> str:
        """The name of the file or object in messages."""

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, TensorType]:
        """Name -> type of the inputs; open dimensions have names."""

    @property
    def input_keys(self) -> Mapping[str, str]:
        """Other names by which users may pass inputs -> names of the inputs."""
        return {}

    @abstractmethod
    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """Translates the model into an RModel whose types have been checked.

        ``sizes``: open dimensions by name that get a fixed size.

        Raises UnsupportedLayerError, which lists all nodes that cannot be translated, and other subclasses of
        SofieError, which name the file.
        """

    @property
    def shapes_known(self) -> bool:
        """Whether the types of the inputs are known; if not, :meth:`for_inputs` gives them."""
        return True

    def for_inputs(self, arrays: Sequence[np.ndarray]) -> Translation:
        """The same model for inputs of the shapes and types of arrays, with an open first dimension."""
        raise InputError(f"{self.source}: the shapes of the inputs are known")

    def names_of_inputs(self, count: int) -> list[str]:
        """The names of ``count`` inputs."""
        return list(self.inputs)

    def outline(self) -> dict[str, Any]:
        """What is known before the shapes of the inputs: their names and types, the modules, and the parameters."""
        return {"inputs": list(self.inputs)}

    def describe_inputs(self) -> str:
        """The inputs as text, for a message."""
        return ", ".join(f"{name} {kind.shape}" for name, kind in self.inputs.items())

    def with_values(self, values: Mapping[str, np.ndarray]) -> Translation:
        """The same model with fixed values for the inputs ``values``, which are then no longer among its inputs.

        Raises InputError if this format has no inputs whose values a translation may need.
        """
        raise InputError(f"{self.source}: inputs of a model in {self.format} format cannot have fixed values")

    @abstractmethod
    def nodes(self) -> Sequence[Node]:
        """All nodes in the order of the file."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Facts about the file for ``sofie-jit info``, such as its format and the program that wrote it."""
        return {"format": self.format}

    def original(self, source: Any, **options: Any) -> OriginalModel:
        """The same model in the library that it comes from; ``source`` and ``options`` are those of ``open``.

        Raises MissingDependencyError if the library is not installed, ModelFileError if it cannot load the file, and
        InputError if this format has none.
        """
        raise InputError(f"{self.source}: there is no library to run the original of a model in {self.format} format")


class OriginalModel(ABC):
    """A model in the library that it comes from; ``compare`` and ``bench`` take its results as the reference."""

    library: str
    """The library's name, such as ``"Keras"``."""
    version: str
    """The library's name and version, such as ``"Keras 3.9.0"``."""
    model: Any
    """The library's own object."""
    most_work: ClassVar[float] = 20e9
    """Maximum floating-point operations of a call if the number of rows is not given."""

    @property
    @abstractmethod
    def inputs(self) -> Sequence[tuple[str, tuple[int | None, ...]]]:
        """Element type and shape of each input; None stands for an open dimension."""

    @property
    @abstractmethod
    def output_count(self) -> int:
        """The number of output tensors."""

    @abstractmethod
    def arranged(self, names: Sequence[str], arrays: Sequence[np.ndarray]) -> Any:
        """``arrays``, one per input of the names ``names``, in the structure that the model takes."""

    @abstractmethod
    def evaluate(self, inputs: Any) -> list[np.ndarray]:
        """The outputs for ``inputs``, a structure of arrays; recurrent states start from zero.

        Their order is that in which ``infer`` returns them, which is the order of dicts for dicts.
        """

    @abstractmethod
    def evaluate_in_float64(self, inputs: Any) -> list[np.ndarray]:
        """As :meth:`evaluate`, computed in float64.

        Raises SofieError, which says why, if the library cannot do that for this model.
        """

    @abstractmethod
    def layers(self) -> Mapping[str, int]:
        """Name -> number of output tensors of each layer, in the order of computation.

        Each name is one that ``open`` accepts in ``outputs=``.
        """

    @abstractmethod
    def ending_in(self, layers: Mapping[str, int]) -> OriginalModel:
        """The same model with the outputs of ``layers``, as :meth:`layers` gives them, as its outputs."""

    @abstractmethod
    def ways_to_run(self, rows: int) -> Mapping[str, Callable[[Any], Any]]:
        """Name -> function for each way to run the model, from numpy arrays of ``rows`` rows to numpy arrays."""


def leaves(structure: Any) -> list[np.ndarray]:
    """The arrays in a nested structure of lists and dicts, in order.

    >>> [int(leaf) for leaf in leaves({"b": [1, 2], "a": 3})]
    [1, 2, 3]
    """
    if isinstance(structure, Mapping):
        return [leaf for part in structure.values() for leaf in leaves(part)]
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in leaves(part)]
    return [np.asarray(structure)]


# -- translation -------------------------------------------------------------------------------------------------------


class NodeCall:
    """One call of a node, as the handler that translates it sees it.

    ``name`` is the node's name, ``label`` how messages call it (``"dense_1 (Dense)"``).
    """

    def __init__(self, name: str, label: str, builder: Builder):
        self.name = name
        self.label = label
        self.builder = builder

    def constant(self, array: np.ndarray, hint: str) -> Symbol:
        """Adds an initialized tensor of the RModel, which is named after the node and ``hint``."""
        return self.builder.constant(array, f"{self.name}/{hint}")

    def add(self, operator: ROperator, *inputs: Symbol | None) -> Symbol:
        """Adds an operator with one output; returns the output, whose type and shape are known."""
        output: Symbol = self._add(operator, inputs)
        return output

    def add_all(self, operator: ROperator, *inputs: Symbol | None) -> tuple[Symbol, ...]:
        """Adds an operator and returns all of its outputs."""
        outputs = self._add(operator, inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def _add(self, operator: ROperator, inputs: Sequence[Symbol | None]) -> Any:
        if not operator.origin:
            operator.origin = self.label
        return self.builder.add(operator, *inputs)

    def refuse(self, reason: str, *workarounds: str) -> NoReturn:
        """Raises UnsupportedLayerError; ``reason`` names the option or attribute.

        It says what to do instead, unless that is in ``workarounds`` (``CUT`` and ``replacing`` of ``wording.py``).
        """
        raise UnsupportedLayerError(refusal(self.label, reason, *workarounds))

    def need_sizes(self, what: str, names: Collection[str]) -> None:
        """Raises SizesNeededError if all of the open sizes ``names`` are those of inputs."""
        known = {name for kind in self.builder.rmodel.inputs.values() for name in names_of(kind.shape)}
        if names and known.issuperset(names):
            listed = ", ".join(repr(name) for name in sorted(names))
            problem = f"{self.label}: {what} depends on the open size {listed}; {FIX_SIZES}"
            raise SizesNeededError(problem, names=names)


class FactsNeededError(UnsupportedLayerError):
    """A model can be translated only if some facts about its inputs are known.

    ``names``: the names of the inputs or sizes.
    """

    def __init__(self, problems: str | Sequence[str], source: str = "", names: Iterable[str] = ()):
        super().__init__(problems, source)
        self.names = frozenset(names)

    def of_file(self, source: str) -> FactsNeededError:
        return type(self)(self.problems, source, self.names)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems, self.source, self.names)


class ValuesNeededError(FactsNeededError):
    """A model can be translated only for given values of the inputs ``names``, such as the axes of a reduction."""


class SizesNeededError(FactsNeededError):
    """A model can be translated only for given sizes of the open dimensions ``names``, such as the length of a loop."""


class Problems:
    """Collects the nodes that cannot be translated, so that one error lists all of them.

    >>> problems = Problems()
    >>> for name in ("a", "b"):
    ...     with problems.collected():
    ...         raise UnsupportedLayerError(f"{name} (Lambda): it contains Python code")
    >>> problems.found
    ['a (Lambda): it contains Python code', 'b (Lambda): it contains Python code']
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self._facts: list[FactsNeededError] = []
        """For each problem that facts about the inputs would solve, the error that names them."""

    @contextmanager
    def collected(self, passing: tuple[type[UnsupportedLayerError], ...] = ()) -> Iterator[None]:
        """Keeps the problems of an UnsupportedLayerError that is raised inside, and goes on after the block.

        Errors of the types ``passing`` leave the block.
        """
        try:
            yield
        except passing:
            raise
        except UnsupportedLayerError as error:
            new = [problem for problem in error.problems if problem not in self.found]
            self.found += new
            if isinstance(error, FactsNeededError):
                self._facts += [error] * len(new)

    @contextmanager
    def undone_on(self, error: type[Exception]) -> Iterator[None]:
        """Forgets the problems that are found in the context if an ``error`` leaves it."""
        found, facts = list(self.found), list(self._facts)
        try:
            yield
        except error:
            self.found, self._facts = found, facts
            raise

    def raise_all(self) -> None:
        """Raises UnsupportedLayerError if any problem was found.

        It is a ValuesNeededError if values would solve them all, and a SizesNeededError if sizes would.
        """
        kinds = {type(error) for error in self._facts}
        if len(kinds) == 1 and len(self._facts) == len(self.found):
            raise kinds.pop()(self.found, names=frozenset().union(*(error.names for error in self._facts)))
        if self.found:
            raise UnsupportedLayerError(self.found)


WRONG_CONFIG = (
    TypeError, ValueError, AttributeError, IndexError, ArithmeticError, StopIteration, MemoryError, RecursionError,
)  # fmt: skip
"""What handlers raise for values of options that no writer of the format would make."""


@contextmanager
def errors_of_node(
    label: str, options: Mapping[str, Any], format: str, translator: str = "sofie_jit"
) -> Iterator[None]:
    """Turns exceptions of a handler into errors of this package that name the node.

    ``options`` are the node's, for the message about a node that no writer of ``format`` would make, or for which
    ``translator`` has a bug. Arithmetic of numpy on the node's parameters that overflows or gives NaN is an error, too.
    """
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            yield
    except SofieError as error:
        if label in str(error) or not str(error):
            raise
        raise type(error)(f"{label}: {error}") from error
    except KeyError as error:
        raise ModelFileError(f"{label}: its config lacks the option {error}") from error
    except FloatingPointError as error:
        raise ModelFileError(
            f"{label}: its parameters overflow or produce NaN ({error}). The config: {dict(options)!r:.300}"
        ) from error
    except WRONG_CONFIG as error:
        raise ModelFileError(
            f"{label}: cannot be translated ({type(error).__name__}: {error}); either its config is not valid "
            f"{format}, or this is a bug of {translator}. The config: {dict(options)!r:.300}"
        ) from error


@contextmanager
def errors_of_file(source: str) -> Iterator[None]:
    """Adds the name of the file to every error that is raised inside."""
    try:
        yield
    except SofieError as error:
        raise error.of_file(source) from error
    except (MemoryError, RecursionError) as error:
        raise ModelFileError(f"{source}: the model is too big to be translated ({type(error).__name__})") from error
