"""The CMake example builds and runs with both compilers, and sofie_jit_add_model refuses what it does not know."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sofie_jit.demo import MODEL_FILE

EXAMPLE = Path(__file__).parents[2] / "examples" / "cpp"
CMAKE = shutil.which("cmake", path=f"{Path(sys.executable).parent}") or shutil.which("cmake")
COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]

pytestmark = pytest.mark.skipif(not CMAKE or not shutil.which("make"), reason="cmake or make is not installed")


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)  # type: ignore[call-overload]


def configure(source: Path, build: Path, *options: str) -> subprocess.CompletedProcess[str]:
    directory = run(sys.executable, "-m", "sofie_jit", "--cmake-dir", check=True).stdout.strip()
    command = Path(sys.executable).with_name("sofie-jit")
    return run(
        CMAKE, "-S", source, "-B", build, f"-Dsofie_jit_DIR={directory}", f"-DSOFIE_JIT_COMMAND={command}", *options
    )


@pytest.mark.parametrize("compiler", COMPILERS)
def test_example(tmp_path: Path, compiler: str) -> None:
    build = tmp_path / "a b"  # paths may hold spaces
    configured = configure(EXAMPLE, build, f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_CXX_FLAGS=-Werror -O1")
    assert configured.returncode == 0, configured.stderr
    assert "CMAKE_BUILD_TYPE" not in configured.stderr
    built = run(CMAKE, "--build", build)
    assert built.returncode == 0, built.stdout + built.stderr
    found = run(build / "classify", EXAMPLE.with_name("seven.txt"), check=True).stdout
    assert found.startswith("digit 7, probability 0.9965")
    assert run(build / "classify", EXAMPLE / "README.md").returncode == 1


def test_the_page_on_cpp_has_a_whole_project(tmp_path: Path) -> None:
    page = (EXAMPLE.parents[1] / "docs" / "how-to" / "cpp.md").read_text()
    (project,) = re.findall(r"^```cmake\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (lines,) = re.findall(r"^```cpp\n(#include \"tagger.hxx\".*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "CMakeLists.txt").write_text(project)
    (tmp_path / "analysis.cc").write_text(
        f"{lines}int main() {{ return session.infer(std::vector<float>(64).data()).size() == 10 ? 0 : 1; }}\n"
    )
    shutil.copy(MODEL_FILE, tmp_path / "tagger.keras")  # the content decides
    build = tmp_path / "build"
    configured = configure(tmp_path, build, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1")
    assert configured.returncode == 0, configured.stderr
    built = run(CMAKE, "--build", build)
    assert built.returncode == 0, built.stdout + built.stderr
    run(build / "analysis", cwd="/", check=True)  # in any working directory


def test_model_is_made_anew_when_its_file_changes(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(p LANGUAGES CXX)\nfind_package(sofie_jit CONFIG REQUIRED)\n"
        "sofie_jit_add_model(net net.h5 WEIGHTS binary NAMESPACE a::b)\nmessage(STATUS weights=${net_WEIGHTS})\n"
        "add_library(used STATIC used.cc)\ntarget_link_libraries(used PRIVATE net)\n"
    )
    (tmp_path / "used.cc").write_text('#include "net.hxx"\nstatic_assert(sizeof(a::b::Session) > 0, "");\n')
    shutil.copy(MODEL_FILE, tmp_path / "net.h5")
    build, header = tmp_path / "build", tmp_path / "build" / "net.sofie_jit" / "net.hxx"
    configured = configure(tmp_path, build)
    assert f"weights={header.with_suffix('.bin')}" in configured.stdout, configured.stderr
    assert "configure with -DCMAKE_BUILD_TYPE=Release" in " ".join(configured.stderr.split())
    run(CMAKE, "--build", build, check=True)
    made = header.stat().st_mtime_ns
    run(CMAKE, "--build", build, check=True)
    assert header.stat().st_mtime_ns == made
    (tmp_path / "net.h5").touch()
    run(CMAKE, "--build", build, check=True)
    assert header.stat().st_mtime_ns > made


@pytest.mark.parametrize(("call", "message"), [("WEIGHTS root", "not 'root'"), ("NAME x", "'NAME;x'")])
def test_wrong_options(tmp_path: Path, call: str, message: str) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(p LANGUAGES NONE)\nfind_package(sofie_jit CONFIG REQUIRED)\n"
        f"sofie_jit_add_model(net net.h5 {call})\n"
    )
    assert message in configure(tmp_path, tmp_path / "build").stderr


def test_the_model_file_exists_or_is_generated(tmp_path: Path) -> None:
    def configured(lines: str) -> str:
        (tmp_path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.15)\nproject(p LANGUAGES NONE)\nfind_package(sofie_jit CONFIG REQUIRED)\n"
            f"{lines}\nsofie_jit_add_model(net net.h5)\n"
        )
        return configure(tmp_path, tmp_path / "build").stderr

    file = tmp_path / "net.h5"
    assert f"there is no model file '{file}'" in " ".join(configured("").split())
    assert configured(f"set_source_files_properties({file} PROPERTIES GENERATED TRUE)") == ""
    assert configured(f"add_custom_command(OUTPUT {file} COMMAND cp {MODEL_FILE} {file})") == ""
    file.touch()
    assert configured("") == ""
