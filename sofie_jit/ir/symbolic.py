"""Integer expressions over sizes that are known only at run time.

An expression is kept in a normal form: a polynomial with integer coefficients. Its variables, called atoms here, are
names, and the quotients, minima and maxima that cannot be simplified. A remainder ``a % b`` is ``a - b*(a//b)``.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sofie_jit.errors import ShapeError

MAX_SIZE, MAX_COEFFICIENT = 128, 1 << 62
"""Terms and factors of one expression, and its numbers: model files could build larger ones without limit."""

FIX_SIZES = (
    "fix the sizes that are open: load(..., input_shapes=[(None, 224, 224, 3)]), one shape for each input (on the "
    "command line: --input-shape 224,224,3)"
)
"""The workaround where an operator needs sizes that are known when the model is loaded."""

BOUND_STEPS = 8
"""Atoms that are replaced by simpler bounds in the search for a bound of an expression."""


class SymbolicDim:
    """An integer expression over named sizes, which are known, and are not negative, when the model runs.

    ``SymbolicDim("height")`` is a named size. The operators ``+ - * // %`` with integers and other expressions, and the
    functions :func:`minimum`, :func:`maximum` and :func:`ceil_div`, return further expressions, or an int where the
    names cancel. ``//`` and ``%`` round down, as Python's do. Divisors must be positive at run time.

    Expressions are immutable. Equal sizes compare equal, and have the same hash, as far as the normal form shows it:

    >>> n, m = SymbolicDim("n"), SymbolicDim("m")
    >>> (n + 1) // 2 * 2
    2*((n + 1)//2)
    >>> (m + 4 * n) // 4 == m // 4 + n, n * m - m * n, minimum(n, n + 1)
    (True, 0, n)

    For convenience, an expression also equals the text that it is printed as: ``n == "n"``.

    Raises ShapeError for a name that is not an identifier, for a divisor that is not positive, and for an expression
    that is too large (:data:`MAX_SIZE`).
    """

    __slots__ = ("_terms", "_text")

    _terms: dict[_Monomial, int]
    """Products of atoms, sorted, with their coefficients; the products in the order of :func:`_order`."""
    _text: str

    def __new__(cls, name: str) -> SymbolicDim:
        if not name.isidentifier():
            raise ShapeError(f"a run-time dimension needs a name like 'time', got {name!r}")
        return _named(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_terms, (self._terms,)

    def __repr__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return self._text == (other._text if isinstance(other, SymbolicDim) else other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __index__(self) -> int:
        """Raises ShapeError, so that code that needs a number says what to do."""
        raise ShapeError(f"the size '{self}' is known only when the model runs, but a number is needed; {FIX_SIZES}")

    def __add__(self, other: Dim) -> Dim:
        return _add(self, other)

    def __radd__(self, other: Dim) -> Dim:
        return _add(other, self)

    def __sub__(self, other: Dim) -> Dim:
        return _subtract(self, other)

    def __rsub__(self, other: Dim) -> Dim:
        return _subtract(other, self)

    def __neg__(self) -> Dim:
        return _multiply(-1, self)

    def __mul__(self, other: Dim) -> Dim:
        return _multiply(self, other)

    def __rmul__(self, other: Dim) -> Dim:
        return _multiply(other, self)

    def __floordiv__(self, other: Dim) -> Dim:
        return _floor_divide(self, other)

    def __rfloordiv__(self, other: Dim) -> Dim:
        return _floor_divide(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return _remainder(self, other)

    def __rmod__(self, other: Dim) -> Dim:
        return _remainder(other, self)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sizes it depends on, sorted."""
        return tuple(sorted({name for monomial in self._terms for atom in monomial for name in atom.names}))

    @property
    def constant(self) -> int:
        """The number that is added to the other terms."""
        return self._terms.get((), 0)

    @property
    def known_factor(self) -> int:
        """The largest number that all coefficients are multiples of."""
        return math.gcd(*self._terms.values())

    def bind(self, sizes: Mapping[str, Dim]) -> Dim:
        """The expression with numbers or other expressions for the names that are keys of ``sizes``."""
        return sum(c * math.prod(atom.bind(sizes) for atom in monomial) for monomial, c in self._terms.items())

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The value for these ``sizes``. Raises ShapeError if one is missing, or if a divisor is not positive."""
        value = self.bind(sizes)
        if isinstance(value, SymbolicDim):
            raise ShapeError(f"the size {self} cannot be computed: '{value.names[0]}' is not known")
        return value

    @property
    def computed_parts(self) -> tuple[SymbolicDim, ...]:
        """The quotients, minima and maxima in it, each after those that it is computed from.

        >>> n = SymbolicDim("n")
        >>> (3 * ((n + 1) // 2 // (n % 4 + 1)) + n).computed_parts
        (n//4, (n + 1)//(2*n + 2 - 8*(n//4)))
        """
        parts: dict[str, SymbolicDim] = {}
        for atom in (atom for monomial in self._terms for atom in monomial if not isinstance(atom, _Name)):
            for argument in atom.arguments:
                if isinstance(argument, SymbolicDim):
                    parts.update((str(part), part) for part in argument.computed_parts)
            parts[atom.text] = atom.as_dim()
        return tuple(parts.values())

    def bounds(self) -> tuple[int | None, int | None]:
        """A lower and an upper bound of the value; None where none is found.

        >>> (SymbolicDim("n") % 4 + 1).bounds()
        (1, 4)
        """
        lower, upper = bounds(self)
        return None if lower == -math.inf else int(lower), None if upper == math.inf else int(upper)

    def factors(self) -> tuple[int, tuple[SymbolicDim, ...]]:
        """A number and expressions with this product: names, then quotients and the like, then at most one sum.

        >>> n = SymbolicDim("n")
        >>> (2 * n * n + 4 * n).factors()
        (2, (n, n + 2))
        """
        number = self.known_factor
        common = functools.reduce(operator.and_, map(Counter, self._terms))
        atoms = tuple(sorted(common.elements(), key=_key))
        rest = _from_terms({_without(monomial, atoms) or (): c // number for monomial, c in self._terms.items()})
        factors = tuple(atom.as_dim() for atom in atoms)
        return (number, (*factors, rest)) if isinstance(rest, SymbolicDim) else (number * rest, factors)

    def approximate_terms(self) -> dict[tuple[str, ...], float]:
        """A polynomial of the named sizes that is close to it: quotients are not rounded, extrema are one argument.

        >>> (3 * SymbolicDim("n") * (SymbolicDim("m") // 2) + 1).approximate_terms()
        {('m', 'n'): 1.5, (): 1.0}
        """
        total: dict[tuple[str, ...], float] = {}
        for monomial, c in self._terms.items():
            part: dict[tuple[str, ...], float] = {(): float(c)}
            for atom in monomial:
                part = polynomial_product(part, atom.approximate_terms())
            for names, number in part.items():
                total[names] = total.get(names, 0.0) + number
        return total

    def cpp(self, names: Mapping[str, str], *, as_factor: bool = False) -> str:
        """C++ code for it, of type ``std::size_t``, with the variables ``names`` for its named sizes.

        ``names`` may have variables for some of :attr:`computed_parts` too, by their texts.
        ``as_factor``: in parentheses if it needs them where it is multiplied or divided.

        Values inside a quotient, minimum or maximum are computed with signed integers if they may be negative, which
        the normal form avoids in most cases. A divisor of zero counts as 1, so that it does not stop the program.
        """

        def term(monomial: _Monomial, factor: int) -> str:
            factors = [names.get(atom.text) or atom.cpp(names) for atom in monomial]
            return " * ".join(factors if factor == 1 and factors else [*factors, str(factor)])

        text = _sum_text(self._terms, term)
        return f"({text})" if as_factor and not _is_atom(self) else text


Dim = int | SymbolicDim
"""A dimension: a number, or an expression over sizes that are known when the model runs."""


def reserved(name: str) -> SymbolicDim:
    """A size with a name in parentheses, which no dimension of a model can have."""
    return _named(f"({name})")


def minimum(*dims: Dim) -> Dim:
    """The smallest of several dimensions."""
    return _extremum("min", dims)


def maximum(*dims: Dim) -> Dim:
    """The largest of several dimensions."""
    return _extremum("max", dims)


def ceil_div(dim: Dim, divisor: Dim) -> Dim:
    """``dim / divisor``, rounded up."""
    return _floor_divide(dim + divisor - 1, divisor)


def bounds(dim: Dim) -> tuple[float, float]:
    """A lower and an upper bound of a dimension; infinity where none is found.

    >>> bounds(SymbolicDim("n") + 1)
    (1, inf)
    """
    return _lower(dim), -_lower(-dim)


def is_positive(dim: Dim) -> bool:
    """Whether a dimension can be shown to be at least 1."""
    return _lower(dim) >= 1


def is_at_least(dim: Dim, least: Dim) -> bool:
    """Whether a dimension can be shown to be at least ``least``, for all sizes."""
    return _lower(dim - least) >= 0


# -- atoms -------------------------------------------------------------------------------------------------------------


class _Atom:
    """A variable of the polynomials. Atoms with the same text are equal.

    ``arguments``: what it is a function of.
    ``bounds``: numbers that it cannot be smaller and larger than, or infinity.
    ``size``: the number of terms and factors in it.
    """

    __slots__ = ("arguments", "bounds", "size", "text")

    def __init__(self, text: str, arguments: tuple[Dim, ...], bounds: tuple[float, float]):
        self.text = text
        self.arguments = arguments
        self.bounds = bounds
        self.size = 1 + sum(_size(argument) for argument in arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Atom) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def as_dim(self) -> SymbolicDim:
        dim = _from_terms({(self,): 1})
        assert isinstance(dim, SymbolicDim)
        return dim

    @property
    def names(self) -> Iterable[str]:
        return (name for argument in self.arguments if isinstance(argument, SymbolicDim) for name in argument.names)

    @property
    def as_factor(self) -> str:
        """Its text where it is multiplied or divided."""
        return self.text

    def bind(self, sizes: Mapping[str, Dim]) -> Dim:
        raise NotImplementedError

    def cpp(self, names: Mapping[str, str]) -> str:
        raise NotImplementedError

    def lower(self, factor: Dim, rest: Dim, sign: int, steps: int) -> float:
        """A lower bound of ``factor * self + rest``, where ``sign`` is that of ``factor``."""
        raise NotImplementedError

    def approximate_terms(self) -> dict[tuple[str, ...], float]:
        """See :meth:`SymbolicDim.approximate_terms`."""
        argument = next(argument for argument in self.arguments if isinstance(argument, SymbolicDim))
        return argument.approximate_terms()


_Monomial = tuple[_Atom, ...]


class _Name(_Atom):
    __slots__ = ()

    def __init__(self, name: str):
        super().__init__(name, (), (0, math.inf))

    @property
    def names(self) -> Iterable[str]:
        return (self.text,)

    def bind(self, sizes: Mapping[str, Dim]) -> Dim:
        size = sizes.get(self.text, self.as_dim())
        return size if isinstance(size, SymbolicDim) else operator.index(size)

    def cpp(self, names: Mapping[str, str]) -> str:
        return names[self.text]

    def approximate_terms(self) -> dict[tuple[str, ...], float]:
        return {(self.text,): 1.0}


@functools.lru_cache(maxsize=1024)
def _named(name: str) -> SymbolicDim:
    return _Name(name).as_dim()  # one object per name, as shapes of the same objects compare faster


class _Quotient(_Atom):
    """The integer part of a dimension divided by a positive one."""

    __slots__ = ()

    def __init__(self, numerator: Dim, divisor: Dim):
        lower, upper = _lower(numerator), -_lower(_multiply(-1, numerator))
        least, most = max(1, _lower(divisor)), -_lower(_multiply(-1, divisor))
        bounds = (_over(lower, most if lower >= 0 else least), _over(upper, least if upper >= 0 else most))
        super().__init__(f"{_as_factor(numerator)}//{_as_factor(divisor)}", (numerator, divisor), bounds)

    @property
    def as_factor(self) -> str:
        return f"({self.text})"

    def bind(self, sizes: Mapping[str, Dim]) -> Dim:
        return _floor_divide(*(_bound(argument, sizes) for argument in self.arguments))

    def cpp(self, names: Mapping[str, str]) -> str:
        numerator, divisor = self.arguments
        over, under = (_cpp(argument, names, as_factor=True) for argument in self.arguments)
        if not is_positive(divisor):
            under = f"std::max<std::size_t>({_cpp(divisor, names)}, 1)"
        if _lower(numerator) >= 0:
            return f"({over} / {under})"
        rounded_down = "[](std::ptrdiff_t a, std::ptrdiff_t b) { return a / b - (a % b < 0); }"
        return f"static_cast<std::size_t>({rounded_down}({_signed(over)}, {_signed(under)}))"

    def approximate_terms(self) -> dict[tuple[str, ...], float]:
        numerator, divisor = self.arguments
        terms = numerator.approximate_terms() if isinstance(numerator, SymbolicDim) else {(): float(numerator)}
        return {names: c / divisor if isinstance(divisor, int) else c for names, c in terms.items()}

    def lower(self, factor: Dim, rest: Dim, sign: int, steps: int) -> float:
        """From ``numerator - divisor < divisor * self <= numerator``."""
        numerator, divisor = self.arguments
        if not isinstance(divisor, int):
            return -math.inf
        bound = numerator - divisor + 1 if sign > 0 else numerator
        lower = _lower(factor * bound + rest * divisor, steps - 1)
        return -_over(-lower, divisor)


class _Extremum(_Atom):
    """The minimum or maximum of dimensions."""

    __slots__ = ("function",)

    def __init__(self, function: str, arguments: Iterable[Dim]):
        self.function = function
        sorted_arguments = tuple(sorted(arguments, key=lambda argument: (isinstance(argument, int), str(argument))))
        choose: Callable[..., float] = min if function == "min" else max
        bounds = choose(map(_lower, sorted_arguments)), choose(-_lower(_multiply(-1, a)) for a in sorted_arguments)
        super().__init__(f"{function}({', '.join(map(str, sorted_arguments))})", sorted_arguments, bounds)

    def bind(self, sizes: Mapping[str, Dim]) -> Dim:
        return _extremum(self.function, [_bound(argument, sizes) for argument in self.arguments])

    def cpp(self, names: Mapping[str, str]) -> str:
        texts = [_cpp(argument, names) for argument in self.arguments]
        if all(_lower(argument) >= 0 for argument in self.arguments):
            return functools.reduce(lambda a, b: f"std::{self.function}<std::size_t>({a}, {b})", texts)
        text = functools.reduce(lambda a, b: f"std::{self.function}({a}, {b})", map(_signed, texts))
        return f"static_cast<std::size_t>({text})"

    def lower(self, factor: Dim, rest: Dim, sign: int, steps: int) -> float:
        """From the bounds with each of the arguments: all hold, or one of them does."""
        lowers = [_lower(factor * argument + rest, steps // len(self.arguments)) for argument in self.arguments]
        return max(lowers) if (self.function == "max") == (sign > 0) else min(lowers)


def polynomial_product(
    a: Mapping[tuple[str, ...], float], b: Mapping[tuple[str, ...], float]
) -> dict[tuple[str, ...], float]:
    """The product of two polynomials as :meth:`SymbolicDim.approximate_terms` returns them."""
    total: dict[tuple[str, ...], float] = {}
    for first, c in a.items():
        for second, d in b.items():
            names = tuple(sorted((*first, *second)))
            total[names] = total.get(names, 0.0) + c * d
    return total


# -- polynomials -------------------------------------------------------------------------------------------------------


def _terms(dim: Dim) -> Mapping[_Monomial, int]:
    if isinstance(dim, SymbolicDim):
        return dim._terms
    number = operator.index(dim)
    return {(): number} if number else {}


def _from_terms(terms: Mapping[_Monomial, int]) -> Dim:
    kept = _merged({monomial: c for monomial, c in terms.items() if c})
    if kept.keys() <= {()}:
        return kept.get((), 0)
    kept = {monomial: kept[monomial] for monomial in sorted(kept, key=_order)}
    dim = object.__new__(SymbolicDim)
    dim._terms = kept
    if _size(dim) > MAX_SIZE or max(map(abs, kept.values())) > MAX_COEFFICIENT:
        raise ShapeError(
            f"the expression for a size that is known only at run time is too large: at most {MAX_SIZE} terms and "
            f"factors, and numbers up to {MAX_COEFFICIENT}, are supported"
        )
    dim._text = _sum_text(kept, _term_text)
    return dim


def _merged(terms: dict[_Monomial, int]) -> dict[_Monomial, int]:
    """The same sum with fewer terms, where two atoms together are simpler.

    These are ``max(a, b) + min(a, b) == a + b``, and ``a//2 + (a + 1)//2 == a``, by which ``a - a//2`` is one quotient,
    too. Of two sums with as many terms, the one in which the quotient has a positive factor is chosen.
    """
    for monomial in sorted(terms, key=_order) if len(terms) > 1 else ():  # so that a + b == b + a
        c = terms[monomial]
        for atom in monomial:
            if isinstance(atom, _Name) or (complement := _complement(atom)) is None:
                continue
            other, total = (_times(_without(monomial, (atom,)) or (), dim) for dim in complement)
            partner = terms.get(next(iter(other)), 0)
            together = c * partner > 0
            number = c if not together or abs(c) < abs(partner) else partner
            changed = _summed((terms, 1), ({monomial: 1}, -number), (other, -number), (total, number))
            saved = sum(map(bool, terms)) - sum(map(bool, changed))  # constants do not count
            if together or (isinstance(atom, _Quotient) and (saved > 0 or (saved == 0 and c < 0))):
                return _merged(changed)
    return terms


def _times(monomial: _Monomial, dim: Dim) -> dict[_Monomial, int]:
    """The terms of ``dim``, each times ``monomial``."""
    return {tuple(sorted((*monomial, *other), key=_key)): c for other, c in _terms(dim).items()}


def _summed(*sums: tuple[Mapping[_Monomial, int], int]) -> dict[_Monomial, int]:
    """The terms of a sum of sums, each with its factor."""
    total: dict[_Monomial, int] = {}
    for terms, factor in sums:
        for monomial, c in terms.items():
            total[monomial] = total.get(monomial, 0) + factor * c
    return {monomial: c for monomial, c in total.items() if c}


@functools.lru_cache(maxsize=1024)
def _complement(atom: _Atom) -> tuple[Dim, Dim] | None:
    """Another expression, and the sum of both, where these are simple."""
    if isinstance(atom, _Extremum) and len(atom.arguments) == 2:
        other = "min" if atom.function == "max" else "max"
        return _Extremum(other, atom.arguments).as_dim(), atom.arguments[0] + atom.arguments[1]
    if isinstance(atom, _Quotient) and atom.arguments[1] == 2:
        return _floor_divide(atom.arguments[0] + 1, 2), atom.arguments[0]
    return None


def _key(atom: _Atom) -> tuple[bool, str]:
    return not isinstance(atom, _Name), atom.text


def _order(monomial: _Monomial) -> tuple[int, list[tuple[bool, str]]]:
    """Products of the most atoms come first. The order of two products stays if both are multiplied by a third."""
    return -len(monomial), list(map(_key, monomial))


def _size(dim: Dim) -> int:
    return sum(1 + sum(atom.size for atom in monomial) for monomial in _terms(dim))


@functools.lru_cache(maxsize=4096, typed=True)  # rules for shapes compute the same sizes in every pass
def _add(a: Dim, b: Dim) -> Dim:
    return _from_terms(_summed((_terms(a), 1), (_terms(b), 1)))


def _subtract(a: Dim, b: Dim) -> Dim:
    return _add(a, _multiply(-1, b))


@functools.lru_cache(maxsize=4096, typed=True)
def _multiply(a: Dim, b: Dim) -> Dim:
    total: dict[_Monomial, int] = {}
    for x, c in _terms(a).items():
        for y, d in _terms(b).items():
            monomial = tuple(sorted((*x, *y), key=_key))
            total[monomial] = total.get(monomial, 0) + c * d
    return _from_terms(total)


def _remainder(a: Dim, b: Dim) -> Dim:
    return _subtract(a, _multiply(b, _floor_divide(a, b)))


@functools.lru_cache(maxsize=4096, typed=True)
def _floor_divide(a: Dim, b: Dim) -> Dim:
    if isinstance(b, int) and b < 1:
        raise ShapeError(f"the size ({a})//({b}) cannot be computed: the divisor must be positive")
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    quotient, rest = _divide(a, b)
    if rest == 0 or (_lower(rest) >= 0 and _lower(b - 1 - rest) >= 0):
        return quotient
    # (k*x + c) // (k*y) is (x + c//k) // y
    constant = _terms(rest).get((), 0)
    common = math.gcd(*_terms(rest - constant).values(), *_terms(b).values())
    if common > 1:
        return quotient + _floor_divide((rest - constant) // common + constant // common, b // common)
    # (x//y + c) // b is (x + c*y) // (y*b)
    inner = rest - constant
    if isinstance(inner, SymbolicDim) and _is_atom(inner):
        atom = next(iter(inner._terms))[0]
        if isinstance(atom, _Quotient):
            x, y = atom.arguments
            return quotient + _floor_divide(x + constant * y, y * b)
    return quotient + _Quotient(rest, b).as_dim()


def _divide(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """A quotient and a rest: ``a == quotient * b + rest``.

    The coefficients of the rest are in ``range(b)`` if ``b`` is a number. If it is a sum, the rest is 0 or ``a``.
    """
    (lead, coefficient), *others = _terms(b).items()
    quotient: dict[_Monomial, int] = {}
    rest: dict[_Monomial, int] = {}
    todo = dict(_terms(a))
    while todo:
        monomial = min(todo, key=_order)
        c = todo.pop(monomial)
        missing = _without(monomial, lead)
        times, left = (0, c) if missing is None else divmod(c, coefficient)
        if others and (left or len(quotient) > MAX_SIZE):
            return 0, a
        if left:
            rest[monomial] = left
        if missing is not None and times:
            quotient[missing] = times
            for other, d in others:
                product = tuple(sorted((*missing, *other), key=_key))
                todo[product] = todo.get(product, 0) - times * d
    return _from_terms(quotient), _from_terms(rest)


def _without(monomial: _Monomial, divisor: _Monomial) -> _Monomial | None:
    """``monomial`` divided by ``divisor``, or None if it is not a multiple."""
    left = list(monomial)
    for atom in divisor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def _extremum(function: str, dims: Iterable[Dim]) -> Dim:
    """The minimum or maximum. Terms that all arguments have, and a common factor, are taken out of it."""
    sign = 1 if function == "max" else -1
    kept: list[Dim] = []
    for dim in sorted(set(dims), key=str):
        if not any(_lower(sign * (other - dim)) >= 0 for other in kept):
            kept = [other for other in kept if _lower(sign * (dim - other)) < 0] + [dim]
    if len(kept) == 1:
        return kept[0]
    terms = [_terms(dim) for dim in kept]
    shared = _from_terms({monomial: min(t.get(monomial, 0) for t in terms) for monomial in set().union(*terms)})
    rest = [dim - shared for dim in kept]
    flattened = [argument for dim in rest for argument in _flattened(function, dim)]
    if len(flattened) > len(rest):
        return shared + _extremum(function, flattened)
    common = math.gcd(*(c for dim in rest for c in _terms(dim).values()))
    return shared + common * _Extremum(function, [dim // common for dim in rest]).as_dim()


def _flattened(function: str, dim: Dim) -> list[Dim]:
    """Dimensions with the same extremum as ``dim``: the arguments of an extremum that is added to the rest of it."""
    inner = [
        monomial
        for monomial, c in _terms(dim).items()
        if len(monomial) == 1
        and isinstance(monomial[0], _Extremum)
        and (monomial[0].function == function) == (c > 0)  # the negative of a minimum is a maximum
    ]
    if len(inner) != 1:
        return [dim]
    rest = dict(_terms(dim))
    c = rest.pop(inner[0])
    return [_from_terms(rest) + c * argument for argument in inner[0][0].arguments]


# -- bounds ------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _lower(dim: Dim, steps: int = BOUND_STEPS) -> float:
    """The largest number found that ``dim`` cannot be smaller than; minus infinity if there is none."""
    if not isinstance(dim, SymbolicDim):
        return dim
    lower = _interval(dim)[0]
    atoms = {atom for monomial in dim._terms for atom in monomial if not isinstance(atom, _Name)}
    for atom in sorted(atoms, key=lambda atom: (-atom.size, atom.text)) if steps > 0 else ():
        times = [(_without(monomial, (atom,)), c) for monomial, c in dim._terms.items()]
        factor = _from_terms({monomial: c for monomial, c in times if monomial is not None})
        least, most = _interval(factor)
        if (least >= 0 or most <= 0) and atom not in (a for monomial in _terms(factor) for a in monomial):
            rest = dim - factor * atom.as_dim()
            with contextlib.suppress(ShapeError):  # the expressions became too large
                return max(lower, atom.lower(factor, rest, 1 if least >= 0 else -1, steps))
    return lower


def _interval(dim: Dim) -> tuple[float, float]:
    """Bounds of ``dim`` from the bounds of each atom."""
    least: float = 0
    most: float = 0
    for monomial, c in _terms(dim).items():
        low: float = c
        high: float = c
        for atom in monomial:
            ends = [x * y if x and y else 0 for x in (low, high) for y in atom.bounds]
            low = min(*ends, MAX_COEFFICIENT) if min(ends) >= -MAX_COEFFICIENT else -math.inf
            high = max(*ends, -MAX_COEFFICIENT) if max(ends) <= MAX_COEFFICIENT else math.inf
        least, most = least + low, most + high
    return least, most


def _over(number: float, divisor: float) -> float:
    """``number // divisor`` of numbers that may be infinite."""
    if math.isinf(number):
        return number
    return number // divisor if math.isfinite(divisor) else -int(number < 0)


# -- texts -------------------------------------------------------------------------------------------------------------


def _sum_text(terms: Mapping[_Monomial, int], term: Callable[[_Monomial, int], str]) -> str:
    """Terms with positive coefficients, then those with negative ones."""
    added = [term(monomial, c) for monomial, c in terms.items() if c > 0]
    subtracted = [term(monomial, -c) for monomial, c in terms.items() if c < 0]
    return ("" if added else "-") + " - ".join([*([" + ".join(added)] if added else []), *subtracted])


def _term_text(monomial: _Monomial, c: int) -> str:
    if c == 1 and len(monomial) == 1:
        return monomial[0].text
    return "*".join([*([str(c)] if c != 1 or not monomial else []), *(atom.as_factor for atom in monomial)])


def _as_factor(dim: Dim) -> str:
    if not isinstance(dim, SymbolicDim):
        return str(dim) if dim >= 0 else f"({dim})"  # (-2)//n is not -(2//n), which is printed as -2//n
    return next(iter(dim._terms))[0].as_factor if _is_atom(dim) else f"({dim})"


def _is_atom(dim: Dim) -> bool:
    """Whether it is a number, or an atom alone."""
    return isinstance(dim, int) or [(len(monomial), c) for monomial, c in dim._terms.items()] == [(1, 1)]


def _cpp(dim: Dim, names: Mapping[str, str], as_factor: bool = False) -> str:
    return dim.cpp(names, as_factor=as_factor) if isinstance(dim, SymbolicDim) else str(dim)


def _signed(text: str) -> str:
    """C++ code of type ``std::ptrdiff_t`` for a value that may be negative: unsigned arithmetic wraps around."""
    return f"static_cast<std::ptrdiff_t>({text})"


def _bound(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    return dim.bind(sizes) if isinstance(dim, SymbolicDim) else dim
