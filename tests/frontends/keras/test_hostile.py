"""Hostile files: refused with one clear error, never executed, and their text never reaches the generated source."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import sofie_jit
from sofie_jit import RModel, frontends
from sofie_jit.codegen import identifiers
from sofie_jit.codegen.print_header import export_header
from sofie_jit.codegen.print_jit import jit_text
from sofie_jit.errors import ModelFileError, SofieError, UnsupportedLayerError, WeightsError
from sofie_jit.frontends import limits, sandbox
from sofie_jit.frontends.keras import files, saved_model
from sofie_jit.frontends.keras.layers.keras_ops import _vander
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder
from sofie_jit.ir.operators import Relu
from sofie_jit.ir.types import check_table
from sofie_jit.passes.pipeline import lower

HERE = Path(__file__).parents[2]
sys.path.insert(0, str(HERE / "fuzz"))
from harness import TEXT, headers, verdict  # noqa: E402
from mutations import seeds, write  # noqa: E402
from spare_layers import LAYERS  # noqa: E402

GOLDEN = HERE / "golden"
CORPUS = [json.loads(line) for line in (HERE / "fuzz" / "corpus.jsonl").read_text().splitlines()]


# -- broken files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", CORPUS, ids=lambda recipe: f"{recipe['hazard']} {recipe['seed']}")
def test_past_failures(recipe, tmp_path):
    path = tmp_path / "mutant"
    if recipe.get("crashes"):
        write(recipe, path)
        for untrusted in (None, True):
            with pytest.raises(ModelFileError, match="mutant' crashed the process that read it"):
                sofie_jit.load(path, untrusted=untrusted)
    else:
        assert verdict(recipe, path)[0] in ("refused", "loads"), verdict(recipe, path)


def test_a_short_fuzz(tmp_path):
    """The command of tests/fuzz works, and finds nothing in a few inputs without changed bytes."""
    command = [sys.executable, str(HERE / "fuzz"), "--inputs", "60", "--jobs", "2", "--only", "layer"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "60 inputs" in done.stdout


def test_every_hostile_kind_is_one_error_within_bounds():
    """The error names the place, within 5 s and 500 MB; see the table that the program prints."""
    done = subprocess.run([sys.executable, str(HERE / "fuzz" / "bounds.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^2\d kinds, 0 wrong$", done.stdout, re.MULTILINE)


def weights_h5(path: Path, **options) -> Path:
    """The file of a Dense layer; ``options`` of ``create_dataset`` make its kernel."""
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 2, "batch_input_shape": [None, 3]}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [dense]})
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"d"]
        group = group.create_group("d")
        group.attrs["weight_names"] = [b"kernel", b"bias"]
        group.create_dataset("kernel", **options)
        group["bias"] = np.zeros(2, "f4")
    return path


def test_many_small_bombs(tmp_path):
    """None of the datasets is suspicious alone."""
    path = weights_h5(tmp_path / "m.h5", shape=(3, 2), dtype="f4")
    with h5py.File(path, "a") as file:
        group = file["model_weights/d"]
        names = [f"w{i}" for i in range(40)]
        group.attrs["weight_names"] = [name.encode() for name in names]
        for name in names:
            group.create_dataset(name, (1 << 22,), "f4", chunks=(1 << 20,), compression="gzip")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match=r"m\.h5.*w1.*declares"):
        sofie_jit.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 500 << 10


def test_a_config_that_unpacks_to_gigabytes(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "[" + "[]," * (1 << 23) + "[]]")
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(ModelFileError, match=r"m\.keras.*config\.json declares"):
        sofie_jit.load(path)


def test_filters_that_would_load_a_plugin(tmp_path):
    path = tmp_path / "m.h5"
    with pytest.raises(WeightsError, match="plugin"):
        sofie_jit.load(weights_h5(path, data=np.ones((3, 2), "f4"), chunks=(3, 2), scaleoffset=2))


@pytest.mark.parametrize(
    ("value", "words"),
    [(1 << 64, "65 bits"), (-(1 << 70), "71 bits"), ("\ud800", "not Unicode")],
)  # fmt: skip
def test_values_that_no_model_has(value, words):
    with pytest.raises(ModelFileError, match=words):
        limits.parse_json(json.dumps({"a": [{"b": value}]}), "m.h5")


def test_tables_have_bounds():
    with pytest.raises(sofie_jit.ShapeError, match="1000000 x 1000000"):
        check_table("tril", 10**6, 10**6)


def test_parts_have_a_bound():
    x = Builder(RModel("model")).input("x", "float32", (None, 1 << 21))
    for apart in (lambda: ops.split(x, 1 << 20, 1), lambda: ops.unstack(x, axis=1),
                  lambda: ops.array_split(x, 1 << 30, 1), lambda: ops.split(x, range(1, 1 << 21), 1),
                  lambda: ops.diff(x, 1 << 20), lambda: _vander(x, 1 << 20, increasing=True)):  # fmt: skip
        with pytest.raises(sofie_jit.ShapeError, match=r"would create [\d,]+ tensors; the maximum is 1,024"):
            apart()
    for apart in (lambda: ops.split(x, 0, 1), lambda: ops.array_split(x, 0, 1)):
        with pytest.raises(sofie_jit.ShapeError, match=r"0 .*parts"):
            apart()
    assert [part.shape[1] for part in ops.array_split(ops.slice_along(x, 1, 0, 11), 4, 1)] == [3, 3, 3, 2]


def test_many_operators_of_one_name_take_no_longer():
    """Unique names of tensors are found without searching all earlier ones."""
    builder = Builder(RModel("model"))
    x = builder.input("x", "float32", (None, 3))
    start = time.process_time()
    for _ in range(20_000):
        x = builder.add(Relu(), x)
    assert x.name == "relu_19999"
    assert time.process_time() - start < 10


def test_messages_are_harmless_and_survive_pickling():
    import pickle

    error = UnsupportedLayerError(["a\x1b[2J: no", "b: no"]).of_file("m.h5")
    assert str(error) == "m.h5:\na\\x1b[2J: no\nb: no"
    assert len(str(ModelFileError("x" * 10**6))) < 21_000
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.problems) == (str(error), error.problems)
    assert str(ModelFileError("'m.h5' is empty").of_file("m.h5")) == "'m.h5' is empty"


# -- files that another process reads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("untrusted", [None, True])
@pytest.mark.parametrize("name", ["keras1/merged.h5", "keras3/mlp.keras"])
def test_another_process_gives_the_same_model(name, untrusted):
    one, other = files.read(GOLDEN / name), files.read(GOLDEN / name, untrusted=untrusted)
    assert replace(one, weights=None) == replace(other, weights=None)
    lowered = lower(frontends.open(GOLDEN / name)())
    assert headers(GOLDEN / name) == [jit_text(lowered).text, export_header(lowered, "model", weights="binary")[0]]

    def arrays(saved):
        weights = saved.weights
        groups = {g.name: g.weights for g in weights.groups} if hasattr(weights, "groups") else weights.paths
        return [(key, w.name, w.array.dtype, w.array.tobytes()) for key, listed in groups.items() for w in listed]

    assert arrays(one) == arrays(other)


@pytest.mark.parametrize("untrusted", [None, True, False])
def test_another_process_gives_the_same_errors(tmp_path, untrusted):
    path = tmp_path / "m.h5"
    path.write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"m\.h5' is empty"):
        sofie_jit.load(path, untrusted=untrusted)
    with pytest.raises(FileNotFoundError):
        sofie_jit.load(tmp_path / "nowhere.h5", untrusted=untrusted)
    assert not sofie_jit.check(path, untrusted=untrusted)


def test_a_reader_that_hangs_or_lies(tmp_path, monkeypatch):
    path = tmp_path / "m.h5"
    path.write_bytes(b"x")
    monkeypatch.setattr(sandbox.isolated, "CHILD", "import time; time.sleep(60) # {path}")
    monkeypatch.setattr(sandbox.isolated, "SECONDS", 0.5)
    with pytest.raises(ModelFileError, match=r"m\.h5.*could not be read in"):
        files.read(path, untrusted=True)
    monkeypatch.setattr(sandbox.isolated, "SECONDS", 30)
    for answer in ("print('nonsense')", "print()", 'print("\\4" + "\\0" * 7 + "null", end="")'):
        monkeypatch.setattr(sandbox.isolated, "CHILD", f"{answer} # {{path}}")
        with pytest.raises(ModelFileError, match=r"m\.h5"):
            files.read(path, untrusted=True)


def no_process_is_left():
    """Whether all child processes end and are waited for within five seconds."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        time.sleep(0.01)
    return False


def fails(error):
    """A function that raises the error."""

    def read(*_):
        raise error

    return read


@pytest.mark.parametrize(
    ("read", "error", "message"),
    [
        (lambda *_: os.kill(os.getpid(), signal.SIGSEGV), ModelFileError, r"mlp\.h5' crashed.*Segmentation fault"),
        (lambda *_: [None for _ in iter(int, 1)], ModelFileError, r"mlp\.h5' crashed.*CPU time"),
        (lambda *_: os._exit(0), ModelFileError, r"mlp\.h5' crashed.*ended too early"),
        (fails(ZeroDivisionError("of zero")), ModelFileError, r"mlp\.h5'.*ZeroDivisionError: of zero"),
        (fails(OSError("no number")), OSError, "no number"),
        (fails(PermissionError(13, "Permission denied", "x")), PermissionError, "Permission denied: 'x'"),
    ],
    ids=["crashes", "loops", "ends", "unexpected", "system without a number", "system"],
)
def test_a_copy_that_fails(read, error, message, monkeypatch):
    def fake(*_) -> saved_model.SavedModel:
        return read()

    monkeypatch.setattr(sandbox.forked, "PROCESSOR_SECONDS", 1)
    monkeypatch.setattr(files, "read_file", fake)
    with pytest.raises(error, match=message):
        files.read(GOLDEN / "keras3" / "mlp.h5", untrusted=None)
    assert no_process_is_left()


def sleeps(*_) -> saved_model.SavedModel:
    time.sleep(60)


def test_a_copy_that_waits_for_ever(monkeypatch):
    """As for a lock of a thread that is not copied: a new process, without such locks, reads the file."""
    monkeypatch.setattr(sandbox.forked, "SECONDS", 1)
    monkeypatch.setattr(files, "read_file", sleeps)
    assert files.read(GOLDEN / "keras3" / "mlp.h5", untrusted=None).config["class_name"] == "Sequential"


def test_an_interrupt_ends_the_copy(monkeypatch):
    monkeypatch.setattr(files, "read_file", sleeps)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            files.read(GOLDEN / "keras3" / "mlp.h5", untrusted=None)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert no_process_is_left()


def test_nobody_waits_for_children():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert files.read(GOLDEN / "keras3" / "mlp.h5", untrusted=None).config["class_name"] == "Sequential"
    finally:
        signal.signal(signal.SIGCHLD, before)


# -- text of a file never reaches the source ---------------------------------------------------------------------------

MARKER = "Zqx"
EVIL = ['a"b', "a\nb", "*/ int evil; /*", "\n#include <evil>\n", "a??/\nb", "\\", "\uff49\uff46", "int", "if", "std",
        "_", "__", "1", " ", "naïve", "x" * 10_000, "R\"(", "// \\\n", "\u2028", "$", "`id`", "%n", "{0}"]  # fmt: skip


def tainted(node, names: dict[str, str]):
    """A config with every name of the model replaced by one that begins with the marker."""
    if isinstance(node, dict):
        return {key: names[value] if key == "name" and value in names else tainted(value, names)
                for key, value in node.items()}  # fmt: skip
    if isinstance(node, list):
        return [tainted(item, names) for item in node]
    return names.get(node, node) if isinstance(node, str) else node


def names_in(node, found: set[str]) -> set[str]:
    items = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("name"), str):
        found.add(node["name"])
    for item in items:
        names_in(item, found)
    return found


@pytest.mark.parametrize("name", ["keras3/functional.keras", "keras3/recurrent.keras", "keras3/convolutional.keras"])
def test_names_reach_the_source_through_identifiers_only(name, tmp_path, monkeypatch):
    """Every name of the file contains a marker, which never passes by ``identifiers``."""
    with zipfile.ZipFile(GOLDEN / name) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    config = json.loads(members["config.json"])
    evil = {old: f"{MARKER}{i}{EVIL[i % len(EVIL)]}{MARKER}" for i, old in enumerate(sorted(names_in(config, set())))}
    evil = {old: new for old, new in evil.items() if old not in ("float32", "default")}
    members["config.json"] = json.dumps(tainted(config, evil)).encode()
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    rmodel = lower(frontends.open(path)())
    assert any(MARKER in op.origin for op in rmodel.operators)
    assert any(MARKER in tensor for tensor in [*rmodel.inputs, *rmodel.initialized])
    assert MARKER not in jit_text(rmodel).text
    text, tensors = export_header(rmodel, "m")
    assert TEXT.fullmatch(text)
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    for word in re.findall(rf'[^\s;,(){{}}<>*&=+\[\]".]*{MARKER}[^\s;,(){{}}<>*&=+\[\]".]*', code):
        assert re.fullmatch(r"[A-Za-z0-9_]+|//?[A-Za-z0-9_/]+", word), word
    assert all(re.fullmatch(r"tensor_?[A-Za-z0-9_]*", tensor) for tensor in tensors)
    assert not re.search(r"^\s*#\s*include <evil|\bint evil|\?\?/", code, flags=re.MULTILINE)
    # with identifiers switched off
    monkeypatch.setattr("sofie_jit.codegen.print_header.comment", lambda text: "")
    numbered = iter(range(10**6))
    monkeypatch.setattr("sofie_jit.codegen.print_header.identifier", lambda *_: f"tensor_{next(numbered)}")
    assert MARKER not in export_header(rmodel, "m")[0]


def test_identifiers():
    taken: set[str] = set()
    for name in [*EVIL, "", "é" * 5, "a" * 64 + "b", "a" * 64 + "c"]:
        assert re.fullmatch(r"tensor[A-Za-z0-9_]*", identifiers.identifier(name, "tensor_", taken))
        assert re.fullmatch(r"[A-Za-z0-9_ .,:;=+<>()\[\]/-]{0,160}", identifiers.comment(name))
        assert re.fullmatch(r'"([A-Za-z0-9_ .,:;=+<>()\[\]/-]|\\[0-7]{3})*"', identifiers.literal(name))
    assert len(taken) == len(EVIL) + 4


# -- nothing is executed, nothing else is opened -----------------------------------------------------------------------

AUDIT = """
import sys, json
sys.path.insert(0, sys.argv[1])
import sofie_jit, sofie_jit.frontends.keras, sofie_jit.codegen.print_header
from sofie_jit.frontends.keras.layers import registry
from harness import headers
from dataclasses import replace
from pathlib import Path
registry.entries()
for path in json.loads(sys.argv[2]):
    headers(Path(path))  # imports modules that are loaded late
seen = []
def hook(event, arguments):
    if event.startswith(("exec", "compile", "marshal", "pickle", "import", "socket", "subprocess", "os.system",
                         "os.exec", "os.posix_spawn", "os.fork", "ctypes", "urllib", "http", "tempfile", "shutil",
                         "os.remove", "os.mkdir", "os.rename", "code.__new__", "function.__new__")):
        seen.append([event, repr(arguments)[:200]])
    if event == "open" and arguments[1] not in ("r", "rb") and isinstance(arguments[1], str):
        seen.append([event, repr(arguments)])
sys.addaudithook(hook)
answers = []
for path in sys.argv[3:]:
    try:
        headers(Path(path))
        answers.append("loads")
    except sofie_jit.SofieError as error:
        answers.append(type(error).__name__)
print(json.dumps([answers, seen]))
"""


def test_nothing_of_a_file_is_executed(tmp_path):
    """Python's audit events of a load: no code is created or run, nothing is imported, unpickled, sent or written."""
    marshalled = "4wEAAAAAAAAAAAAAAAEAAAADAAAA8wYAAACXAHwAUwA="
    layers = [i for i, (_, name, *_) in enumerate(LAYERS) if name in ("Lambda", "evil_package>Evil")]
    recipes = [{"seed": f"layer:{i}", "edits": []} for i in layers]
    place = ["config", "layers", 1]
    for edits in (
        [[*place, "config", "function"], [marshalled, None, None]],
        [[*place, "module"], "antigravity"],
        [[*place, "registered_name"], "this>that"],
        [[*place, "config", "module"], "antigravity"],
        [[*place, "config", "function"], {"module": "os", "class_name": "function", "config": "system"}],
        [[*place, "config", "activation"], {"module": "os", "class_name": "function", "config": "system"}],
    ):
        recipes += [{"seed": f"layer:{i}", "edits": [["json", *edits]]} for i in (*layers, 25)]
    paths = [tmp_path / f"m{i}.h5" for i in range(len(recipes))]
    for path, recipe in zip(paths, recipes, strict=True):
        write(recipe, path)
    golden = [str(GOLDEN / name) for name in seeds() if "weights" not in name]
    command = [sys.executable, "-c", AUDIT, str(HERE / "fuzz"), json.dumps(golden), *map(str, paths), *golden]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    assert done.returncode == 0, done.stderr
    answers, seen = json.loads(done.stdout)
    assert answers[-len(golden) :] == ["loads"] * len(golden)
    assert answers[: len(layers)] == ["UnsupportedLayerError"] * len(layers)
    assert seen == [], seen


RUNTIME = """
import sys
events = []
def hook(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.bind", "urllib", "http")):
        events.append(event)
sys.addaudithook(hook)
import sofie_jit, numpy as np
model = sofie_jit.load(sys.argv[1])
model.infer(np.zeros((2, *model.input_shapes[0][1:]), "float32"))
print(events)
"""


def test_no_network_and_no_files_left(tmp_path):
    """Nothing is left behind, with a read-only home directory and without writing bytecode."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir(mode=0o555)
    temporary.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", RUNTIME, str(GOLDEN / "keras3" / "mlp.h5")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert list(home.iterdir()) == list(temporary.iterdir()) == []


SEALED = """
for place in $(cut -d' ' -f2 /proc/self/mounts); do mount -o remount,bind,ro "$place" 2>/dev/null; done
exec "$@"
"""
IN_SEALED = """
import errno, os, pathlib, socket, sys, tempfile
def refuses(place):
    try:
        pathlib.Path(place, "sofie_jit_was_here").write_bytes(b"")
    except OSError as error:
        return error.errno == errno.EROFS
import cppyy, sofie_jit, numpy as np
packages = [os.path.dirname(module.__file__) for module in (cppyy, sofie_jit)]
places = [os.environ["HOME"], os.environ["TMPDIR"], os.getcwd(), *packages]
writable = [place for place in places if not refuses(place)]
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
    reached = "reached"
except OSError as error:
    reached = error.errno
model = sofie_jit.load(sys.argv[1], verify=True)
sofie_jit.load(sys.argv[1], untrusted=True)
print(writable, reached == errno.ENETUNREACH, model.infer(np.zeros((2, *model.input_shapes[0][1:]), "float32")).shape)
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_without_network_and_with_nothing_to_write_to(tmp_path):
    """In own namespaces without a network device; all file systems are read-only: home, site-packages, /tmp."""
    namespaces = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c", SEALED, "sh"]
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [*namespaces, sys.executable, "-c", IN_SEALED, str(GOLDEN / "keras3" / "mlp.h5")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE.parent)
    if "unshare failed" in done.stderr:
        pytest.skip(f"this system permits no namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    if not done.stdout.startswith("[] True"):
        pytest.skip(f"this system lets no file systems be sealed: {done.stdout}")
    assert done.stdout == "[] True (2, 3)\n"
    assert done.stderr == ""


def test_errors_keep_no_file_open(tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes((GOLDEN / "keras3" / "mlp.h5").read_bytes()[:20_000])
    with pytest.raises(SofieError):
        sofie_jit.load(path)
    gc.collect()
    assert not any(os.readlink(f"/proc/self/fd/{fd}") == str(path) for fd in os.listdir("/proc/self/fd")
                   if os.path.exists(f"/proc/self/fd/{fd}"))  # fmt: skip
