"""Sizes of scratch memory are planned in Python; ``cpp/scratch.hxx``, with which kernels are tested, must agree.

The test programs allocate exactly these sizes and check that nothing is written behind them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from compilers import COMPILERS, KERNELS, PROGRAMS, WARNINGS
from sofie_jit.codegen.lowered import conv, conv_transpose, depthwise_chain, rnn
from sofie_jit.codegen.lowered.window import window_members
from sofie_jit.ir.operators.geometry import Axis


def window(axes: list[Axis]) -> str:
    return f"Window{{{', '.join(map(str, window_members(axes)))}}}"


def planned() -> dict[str, int]:
    """C++ expression of ``scratch.hxx`` -> the size that Python plans."""
    sizes = {}
    for axes in (
        [Axis(30, 3)],
        [Axis(30, 3, 1, 2, 2, 2), Axis(20, 4, 2, 1, 1, 2)],
        [Axis(9, 3, 1, 1, 1, 1), Axis(70, 3, 1, 1, 1, 1), Axis(60, 5, 3, 1, 2, 2)],
    ):
        for channels, groups in ((4, 1), (256, 2)):
            strip = conv.strip_rows(axes, channels, lambda dim: dim)
            shape = f"ConvShape{{{window(axes)}, {channels}, 4, {groups}, {strip}}}"
            for dtype, cpp in (("float32", "float"), ("float64", "double")):
                size = conv.scratch_size(axes, channels, groups, strip, dtype)
                sizes[f"check::conv_scratch<{cpp}>({shape})"] = size
    for channels, outputs in ((32, 16), (512, 256)):
        shape = f"WinogradShape{{{{}}, {channels}, {outputs}}}"
        sizes[f"check::winograd_scratch({shape})"] = conv.winograd_scratch_size(channels, outputs)
    chain = [Axis(9, 3, 2, 1, 0, 1), Axis(70, 3, 2, 1, 0, 1)]
    for strip in (2, 6):  # of four rows
        for expand, project in ((True, True), (True, False), (False, True)):
            shape = f"DepthwiseChain{{{window(chain)}, {int(expand)}, 24, {int(project)}, {strip}}}"
            sizes[f"check::chain_scratch({shape})"] = depthwise_chain.scratch_size(chain, 24, strip, expand, project)
    for axes in ([Axis(9, 3, 2)], [Axis(9, 3, 2), Axis(8, 2, 3), Axis(7, 5, 2, 1, 2, 2)]):
        sizes[f"check::conv_transpose_list({window(axes)})"] = conv_transpose.list_size(axes)
    for units in (1, 32, 33, 270):
        sizes[f"check::recurrent_scratch({units})"] = rnn.scratch_count(units)
    return sizes


def test_the_tests_use_the_planned_sizes(tmp_path: Path) -> None:
    sizes = planned()
    lines = "".join(f'   std::printf("%zu\\n", {expression});\n' for expression in sizes)
    source = f'#include "scratch.hxx"\n\nusing namespace sofie_jit;\n\nint main()\n{{\n{lines}}}\n'
    (tmp_path / "main.cc").write_text(source)
    command = [COMPILERS[0], *WARNINGS, f"-I{KERNELS}", f"-I{PROGRAMS[0].parent}", "main.cc", "-o", "main"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[:4000]
    ran = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert dict(zip(sizes, map(int, ran.stdout.split()), strict=True)) == sizes
