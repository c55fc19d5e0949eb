"""Show the machine code that Cling generates for the innermost loops of the Gemm and Conv kernels.

    python benchmarks/disassemble.py [gemm|pairs|conv] [--code]

For each kernel the script prints the number of fused multiply-adds in the loop, the registers they use, and the number
of spilled vectors and pointers, which are stored to or loaded from the stack. --code prints the loop. Needs objdump
(binutils).
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import re
import subprocess
import tempfile
from dataclasses import dataclass

from sofie_jit.codegen.kernel_library import closure, kernel_namespace
from sofie_jit.jit.compiler import compiler

KERNELS = {
    "gemm": ("gemm/gemm.hxx", "gemm_tile<k::tuning::mr, 2, float>"),
    "pairs": ("gemm/gemm.hxx", "gemm_tile<k::mr_pair, 4, float>"),
    "conv": ("conv/conv.hxx", "conv_tile<k::tuning::mr, 2, float>"),
}
"""Name -> header, and the function whose loop does almost all of the kernel's work."""

CODE_BYTES = 16_384
ARCHITECTURES = {"x86_64": "i386:x86-64", "aarch64": "aarch64"}


@dataclass
class Loop:
    """The instructions of an innermost loop."""

    instructions: list[str]

    @property
    def fused(self) -> list[str]:
        """The fused multiply-adds."""
        return [line for line in self.instructions if re.match(r"vfn?m(add|sub)\w*p[sd]|fml[as]", line)]

    @property
    def registers(self) -> set[str]:
        """The types of vector registers that the fused multiply-adds use."""
        return {name for line in self.fused for name in re.findall(r"%([xyz]mm)\d", line)} or {"v"}

    @property
    def stack(self) -> list[str]:
        """The instructions that read or write the stack."""
        return [line for line in self.instructions if re.search(r"\(%r[sb]p|\[(sp|x29)", line)]

    @property
    def vector_spills(self) -> list[str]:
        """Instructions that read or write vectors on the stack."""
        return [line for line in self.stack if re.search(r"mm\d|\b[qv]\d", line)]


def function_code(header: str, function: str) -> list[tuple[int, str]]:
    """Return address and text of each instruction of ``function`` of the kernels, as compiled by Cling."""
    compiler().declare_kernels(closure([header]))
    (address,) = compiler().define(
        "", function, f"{kernel_namespace()}::{function.replace('k::', f'{kernel_namespace()}::')}"
    )
    code = ctypes.string_at(address, CODE_BYTES)
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        command = ["objdump", "-D", "-b", "binary", "-m", ARCHITECTURES[platform.machine()], "--no-show-raw-insn"]
        listing = subprocess.run([*command, file.name], capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^ *([0-9a-f]+):\t(.*?) *(?:#.*)?$", listing, re.MULTILINE)
    return [(int(address, 16), re.sub(r"\s+", " ", text)) for address, text in lines]


def hot_loop(code: list[tuple[int, str]]) -> Loop:
    """Return the innermost loop with the most fused multiply-adds, the first if there are several."""
    place = {address: index for index, (address, _) in enumerate(code)}
    loops = []
    for index, (_, text) in enumerate(code):
        jump = re.match(r"(?:j\w+|b\.\w+|cbn?z \w+,) 0x([0-9a-f]+)", text)
        start = place.get(int(jump[1], 16)) if jump else None
        if start is not None and start < index:
            loops.append((start, index))
    innermost = [
        (a, b) for a, b in loops if not any((a, b) != (c, d) and a <= c and d <= b for c, d in loops)
    ]  # fmt: skip
    return max((Loop([text for _, text in code[a : b + 1]]) for a, b in innermost), key=lambda loop: len(loop.fused))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "kernels",
        metavar="KERNEL",
        nargs="*",
        choices=[[], *KERNELS],
        help="gemm, pairs (large gemms with AVX-512), conv (default all)",
    )
    parser.add_argument("--code", action="store_true", help="print the instructions of the loop")
    args = parser.parse_args()
    for name in args.kernels or KERNELS:
        loop = hot_loop(function_code(*KERNELS[name]))
        vectors, pointers = len(loop.vector_spills), len(loop.stack) - len(loop.vector_spills)
        print(f"{name}: {len(loop.instructions)} instructions in the inner loop, {len(loop.fused)} fused multiply-adds")
        print(f"   on {', '.join(sorted(loop.registers))} registers; spilled: {vectors} vectors, {pointers} pointers")
        if args.code:
            print("\n".join(f"    {line}" for line in loop.instructions))


if __name__ == "__main__":
    main()
