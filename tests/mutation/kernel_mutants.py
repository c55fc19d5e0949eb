"""Mistakes that kernels and runtime headers could have, written by hand, each with the tests that must catch it."""

from __future__ import annotations

from typing import NamedTuple

GEMM, CONV, REDUCTION, MOVEMENT = "kernels/gemm", "kernels/conv", "kernels/reduction", "kernels/movement"
CORE, ELEMENTWISE, RECURRENT, RUNTIME = "kernels/core", "kernels/elementwise", "kernels/recurrent", "jit/runtime"

PARALLEL = "tests/models/test_parallel.py"
FAST_CALL = "tests/jit/test_fast_call.py"
HEADER = "tests/codegen/test_header.py -k not_fit"
LIBRARY = "tests/models/test_library.py"


class Mutant(NamedTuple):
    """A text of a file that occurs once -> another text."""

    file: str
    """The file, in sofie_jit."""
    old: str
    new: str
    why: str
    """What goes wrong."""
    tests: str
    """The program in tests/kernels/cpp that must fail, or arguments of pytest."""


MUTANTS = [
    # -- products
    Mutant(f"{GEMM}/gemm.hxx", "alpha * (transposed ? values[n * K + k] : values[k * N + n])",
           "alpha * (transposed ? values[k * N + n] : values[n * K + k])", "W and its transpose are swapped", "gemm"),
    Mutant(f"{GEMM}/gemm.hxx", "const std::size_t first = row < whole || row + 4 <= rows ? row : rows - 4;",
           "const std::size_t first = row;", "tiles of four rows read and write beyond the batch", "gemm"),
    Mutant(f"{GEMM}/gemm.hxx", ": count      ? K / count", ": count      ? K / count + 1",
           "blocks of the sum over k are longer than packed weights", "gemm"),
    Mutant(f"{GEMM}/gemm.hxx", "const std::size_t terms = left > 1 ? g.split.length : g.K - k, panel_stride",
           "const std::size_t terms = g.split.length, panel_stride",
           "the last block leaves out the remaining terms", "gemm"),
    Mutant(f"{GEMM}/gemm.hxx", "return rows - rest - (rows > mr_pair && rest && rest <= 2 ? mr_pair : 0);",
           "return rows - (rows > mr_pair && rest && rest <= 2 ? mr_pair : 0);",
           "pairs of panels take rows beyond the batch", "gemm"),
    Mutant(f"{GEMM}/pair_gemm.hxx", "*panels++ = i < K && n < N ? b(i, n) : std::int16_t(0);",
           "*panels++ = i < K && n + 1 < N ? b(i, n) : std::int16_t(0);",
           "the last column of an integer product is zero", "pair_gemm"),
    Mutant(f"{GEMM}/pair_gemm.hxx", "for (; p < rows.pairs; ++p)", "for (; p + 1 < rows.pairs; ++p)",
           "the last pair of terms is left out", "pair_gemm"),
    Mutant(f"{GEMM}/pair_gemm.hxx", "return std::int16_t(value - (zero ? zero[index] : 0));",
           "return std::int16_t(value - (zero ? zero[0] : 0));", "all columns get the zero point of the first",
           "pair_gemm"),
    Mutant(f"{GEMM}/sparse_gemm.hxx", "for (std::uint64_t left = *bits; left; left &= left - 1) {",
           "for (std::uint64_t left = *bits & ~(std::uint64_t(1) << 63); left; left &= left - 1) {",
           "every 64th element counts as zero", "sparse_gemm"),
    Mutant(f"{GEMM}/sparse_gemm.hxx", "k = end - k < word_bits ? end : k + word_bits;", "k += word_bits;",
           "the words of a block that word_bits does not divide are wrong", "sparse_gemm"),
    # -- convolutions
    Mutant(f"{CONV}/conv.hxx", "oihw ? kernel[(o * channels + k % channels) * taps + k / channels]",
           "oihw ? kernel[(o * channels + k / taps) * taps + k % taps]", "taps and channels of a kernel are mixed up",
           "conv"),
    Mutant(f"{CONV}/conv.hxx", "if (d < w.D && h < w.H) { // indices", "if (d < w.D && h + 1 < w.H) { // indices",
           "the last row of a padded image is zero", "conv"),
    Mutant(f"{CONV}/conv.hxx", "const std::size_t inside = (w.PW + w.W < columns ? w.W : columns - w.PW) * s.C",
           "const std::size_t inside = w.W * s.C", "padded rows are longer than their copy", "conv"),
    Mutant(f"{CONV}/depthwise.hxx", "return {at < pad ? pad - at : 0, end < extent ? end : extent};",
           "return {at < pad ? pad - at : 0, extent};", "taps beyond the image are read", "depthwise"),
    Mutant(f"{CONV}/depthwise.hxx", "const std::size_t c = start + width <= d.C ? start : d.C - width;",
           "const std::size_t c = start;", "the last channels are beyond the pixel", "depthwise"),
    Mutant(f"{CONV}/winograd.hxx", "if (i < rows && j < columns)", "if (i < rows)",
           "the last column of an odd image is written beyond its row", "winograd"),
    Mutant(f"{CONV}/winograd.hxx", "sum[i] = sum[i] == sum[i] ? sum[i] : exact[i];", "sum[i] = sum[i];",
           "a NaN spoils the four pixels of its tile", "winograd"),
    Mutant(f"{CONV}/conv_transpose.hxx", "return to < from || (to - from) % stride || (to - from) / stride >= size",
           "return to < from || (to - from) / stride >= size", "gaps between strides are filled", "conv_transpose"),
    Mutant(f"{CONV}/conv_integer.hxx", "return {count, (whole ? w.KW : 1) * image.channels / 2, offset};",
           "return {count, image.channels / 2, offset};", "only one column of the window is multiplied",
           "tests/ir/operators/test_quantization.py"),
    Mutant(f"{CORE}/window.hxx", "const std::size_t first = at >= pad ? 0 : (pad - at + dilation - 1) / dilation;",
           "const std::size_t first = at >= pad ? 0 : (pad - at) / dilation;",
           "dilated windows begin before the image", "pool"),
    Mutant(f"{CORE}/window.hxx", "ow = block && ow + P > last ? last - P : ow;", "",
           "blocks of pixels go beyond those that are whole", "pool"),
    # -- pooling, reductions, normalizations
    Mutant("kernels/pool/pool.hxx", "return x > result ? x : x == x ? result : x;", "return x > result ? x : result;",
           "NaN gets lost in the global maximum", "pool"),
    Mutant("kernels/pool/pool.hxx", "return result / broadcast_as<V>(T(count_padding ? taps : inside));",
           "return result / broadcast_as<V>(T(taps));", "means at the borders are too small", "pool"),
    Mutant(f"{REDUCTION}/reduce.hxx", "const std::size_t left = end - i < lanes<T> ? end - i : lanes<T>;",
           "const std::size_t left = lanes<T>;", "elements beyond the row are summed", "reduce"),
    Mutant(f"{REDUCTION}/norm.hxx", "factor > limit ? limit : factor", "factor", "epsilon of norms is ignored", "norm"),
    Mutant(f"{REDUCTION}/norm.hxx", "k < size && k < first + tuning::kc; ++k) {", "k < first + tuning::kc; ++k) {",
           "statistics of a group include the next one", "norm"),
    Mutant(f"{REDUCTION}/softmax.hxx", "n > j * width ? n - j * width : 0, -infinity<T>);",
           "n > j * width ? n - j * width : 0, T(0));", "a row of negative numbers has a larger largest one",
           "softmax"),
    Mutant(f"{REDUCTION}/sort.hxx", "(right != right_end && stands_before(descending, x[*right], x[*left]))",
           "(right != right_end && !stands_before(descending, x[*left], x[*right]))",
           "equal elements change their order", "sort"),
    Mutant(f"{REDUCTION}/sort.hxx", "|| (b != b && a == a)", "", "NaN ends the order", "sort"),
    # -- recurrent layers
    Mutant(f"{RECURRENT}/rnn.hxx", "= g < summed ? input + recurrent : input;", "= input;",
           "the recurrent bias is left out", "rnn"),
    Mutant(f"{RECURRENT}/conv_lstm.hxx", "r.flipped ? r.steps - 1 - time : time", "time",
           "an output sequence is not reversed", "conv_lstm"),
    Mutant(f"{RECURRENT}/conv_lstm.hxx", "const T *before = r.backwards == r.flipped ? y - size : y + size;",
           "const T *before = y - size;", "a masked step repeats the wrong one", "conv_lstm"),
    Mutant(f"{RECURRENT}/gru.hxx", "linear_before_reset ? 2 : 3", "3",
           "the bias within the reset gate is added outside", "rnn"),
    # -- elementwise
    Mutant(f"{ELEMENTWISE}/elementwise.hxx", "b[i] == T(0) ? T(0) : b[i] == T(-1)", "b[i] == T(-1)",
           "a division by zero ends the process", "tests/ir/operators/test_element_types.py"),
    Mutant(f"{ELEMENTWISE}/math.hxx", "return rest != 0 && (rest < 0) != (q < 0) ? T(rest + q) : rest;", "return rest;",
           "the remainder has the sign of the dividend", "math"),
    Mutant(f"{ELEMENTWISE}/math.hxx", "if (so_far == so_far && (better || value != value))", "if (better)",
           "ArgMax does not stop at NaN", "math"),
    Mutant(f"{ELEMENTWISE}/math.hxx", "is_shift(q) ? T(p >> q) : p < T(0) ? T(-1) : T(0)", "T(p >> q)",
           "shifts by more bits than there are", "math"),
    Mutant(f"{ELEMENTWISE}/hash.hxx", "if (n > 16) {", "if (n >= 16) {", "hashes of 16 digits", "hash"),
    Mutant(f"{ELEMENTWISE}/activations.hxx", "constexpr T limit = sizeof(T) == 4 ? T(20) : T(40);",
           "constexpr T limit = T(5);", "Mish is x too early", "activations"),
    # -- vectors and functions of numbers
    Mutant(f"{CORE}/simd.hxx", "tmp[i] = std::size_t(i) < n ? p[i] : fill;",
           "tmp[i] = std::size_t(i) < n ? p[i] : T(0);", "lanes beyond the row are 0", "softmax"),
    Mutant(f"{CORE}/vmath.hxx", "const vec<float> h = power_of_two(s.n - 1);",
           "const vec<float> h = power_of_two(s.n);", "expm1 overflows too early, or is twice as large", "vmath"),
    Mutant(f"{CORE}/vmath.hxx", "return select<float>(a >= 0.93f, with_sign<float>(large, x), small);",
           "return select<float>(a >= 0.93f, large, small);", "erf of negative numbers is positive", "vmath"),
    # -- movement
    Mutant(f"{MOVEMENT}/scatter.hxx", "const std::size_t step = std::size_t(a) == axes.axis ? 0 : axes.stride[a];",
           "const std::size_t step = axes.stride[a];", "elements go to other rows", "scatter"),
    Mutant(f"{MOVEMENT}/transpose.hxx", "const std::size_t r_end = r + block < rows ? r + block : rows;",
           "const std::size_t r_end = r + block;", "blocks go beyond the matrix", "transpose"),
    Mutant(f"{MOVEMENT}/transpose.hxx", "for (; j < c_end; ++j)", "for (; j + 1 < c_end; ++j)",
           "the last column of a block is left out", "transpose"),
    Mutant(f"{MOVEMENT}/gather.hxx", "if (row < -end || row >= end)", "if (row < -end || row > end)",
           "an index one beyond the axis is taken", "gather"),
    Mutant("kernels/resize/resample.hxx", "for (std::size_t t = start; t < end; ++t)",
           "for (std::size_t t = start; t + 1 < end; ++t)", "the last weight of a pixel is left out", "resample"),
    Mutant("kernels/resize/roi_align.hxx", "if (image < 0 || image >= std::int64_t(shape.images))",
           "if (image < 0 || image > std::int64_t(shape.images))", "a region of an image beyond the batch is read",
           "roi_align"),
    Mutant("kernels/resize/roi_align.hxx", "if (low + 1 >= size)", "if (low >= size)",
           "the pixel beyond the last row is read", "roi_align"),
    Mutant(f"{GEMM}/gemv.hxx", "if (!Whole && at >= left)", "if (!Whole && at > left)",
           "a lane beyond the row is read", "gemv"),
    Mutant(f"{GEMM}/gemv.hxx", "for (; row < rows; ++row)", "for (; row + 1 < rows; ++row)",
           "the last row is left out", "gemv"),
    # -- memory, files, threads, calls
    Mutant(f"{CORE}/memory.hxx", "if (arena->bytes >= bytes)", "if (arena)", "a call gets an arena that is too small",
           "tests/models/test_open_sizes.py"),
    Mutant(f"{CORE}/weight_file.hxx", "if (name != entry.name || size != std::to_string(entry.size))",
           "if (size != std::to_string(entry.size))", "weights of another tensor are read", HEADER),
    Mutant(f"{CORE}/weight_file.hxx", "if (!ok || at == end)", "if (!ok)", "the end of a number that was cut is taken",
           HEADER),
    Mutant(f"{CORE}/weight_file.hxx", "if (static_cast<std::size_t>(end - at) < size + 2)", "if (false)",
           "bytes beyond the file are read", HEADER),
    Mutant(f"{RUNTIME}/thread_pool.hxx", "batch = left < parts.rows ? left : parts.rows;", "batch = parts.rows;",
           "the last part of a batch goes beyond it", PARALLEL),
    Mutant(f"{RUNTIME}/thread_pool.hxx", "return rows < 2 * tile ? share : (rows + tile - 1) / tile * tile;",
           "return rows;", "parts are not multiples of a tile", PARALLEL),
    Mutant(f"{RUNTIME}/python_call.hxx", "if (overflow || options.threads < 1)", "if (overflow)",
           "threads=0 is taken by the fast path", "tests/models/test_model.py"),
    Mutant(f"{RUNTIME}/python_call.hxx",
           "matches(kind, options.out, dims, bytes[0], contiguous_aligned | writeable)",
           "matches(kind, options.out, dims, bytes[0], contiguous_aligned)", "read-only results are overwritten",
           FAST_CALL),
    Mutant(f"{RUNTIME}/python_call.hxx",
           "if (array.descr != expected.descr || array.rank != expected.rank || (array.flags & flags) != flags)",
           "if (array.descr != expected.descr || array.rank != expected.rank)",
           "unaligned and strided arrays are read as they are", FAST_CALL),
    Mutant(f"{RUNTIME}/library.hxx", "for (int axis = 1; axis < described[i].rank; ++axis)",
           "for (int axis = 2; axis < described[i].rank; ++axis)", "rows of a batch are taken to be shorter", LIBRARY),
]  # fmt: skip
