"""Profiles: records, table, plot. Times are only checked for being there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import sofie_jit
import sofie_jit.models.profiling
from sofie_jit import InputError, OutOfRangeError, RModel
from sofie_jit.cli import main
from sofie_jit.demo import MODEL_FILE, load_digits
from sofie_jit.ir.operators import Gather, Gemm, Reshape
from sofie_jit.jit.compiled_session import CompiledSession
from sofie_jit.passes.pipeline import lower
from sofie_jit.report.profile import COLUMNS, Profile


@pytest.fixture(autouse=True, scope="module")
def _hurry() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sofie_jit.models.profiling, "BUDGET", 0.02)
        yield


def small() -> RModel:
    """Reshape, which takes no time, and two products of matrices."""
    network = RModel("small")
    network.add_input_tensor_info("x", "float32", (None, 2, 3))
    network.add_initialized_tensor("w", np.ones((6, 5), np.float32))
    network.add_initialized_tensor("v", np.ones((5, 4), np.float32))
    network.add_operator(Reshape(shape=(0, 6), inputs=["x"], outputs=["flat"]))
    network.add_operator(Gemm(inputs=["flat", "w"], outputs=["h"], origin="one (Dense)"))
    network.add_operator(Gemm(inputs=["h", "v"], outputs=["y"], origin="two (<Dense>)"))
    network.add_output_tensor_names("y")
    return network


@pytest.fixture(scope="module")
def found() -> Profile:
    return small().compile().profile(np.zeros((7, 2, 3)))


def test_records(found: Profile) -> None:
    one, two = found.records
    assert [(r["operator"], r["layer"], r["output"]) for r in found.records] == [
        ("Dense", "one (Dense)", "(7, 5)"),
        ("Dense", "two (<Dense>)", "(7, 4)"),
    ]
    assert (one["flops"], two["flops"]) == (2 * 7 * 6 * 5, 2 * 7 * 5 * 4)
    assert found.flops == one["flops"] + two["flops"]
    assert one["bytes"] == 4 * (7 * 6 + 6 * 5 + 7 * 5)
    assert one["share"] + two["share"] == pytest.approx(1)
    assert found.seconds > 0
    assert found.peak > 1e8
    for record in found.records:
        assert record["seconds"] >= 0
        assert record["peak_share"] * found.peak == pytest.approx(record["flops_per_second"])


def test_table(found: Profile) -> None:
    lines = str(found).splitlines()
    assert lines[0].split() == " ".join(COLUMNS).split()
    assert [line.split()[0] for line in lines[2:4]] == ["Dense", "Dense"]
    assert lines[5].startswith("2 operators")
    assert "; ".join(lines[-4:]) == found.caption
    assert found.operator_seconds == pytest.approx(sum(record["seconds"] for record in found.records))
    slower = replace(found, seconds=found.operator_seconds + 25e-6)
    assert "; difference: 25.00 us (checks of the arguments, memory" in slower.caption
    quicker = replace(found, seconds=found.operator_seconds / 2)
    assert "(clocks between the operators, or other programs, delay them)" in quicker.caption
    assert len({len(line) for line in lines[:4]}) == 1


def test_html(found: Profile) -> None:
    table = ElementTree.fromstring(found._repr_html_())
    assert [cell.text for cell in table.iter("th")][: len(COLUMNS)] == list(COLUMNS)
    assert [row[1].text for row in table.iter("tr")][1:3] == ["one (Dense)", "two (<Dense>)"]


@pytest.mark.parametrize(("most", "labels"), [(30, 2), (1, 2), (0, 1)])
def test_plot(found: Profile, most: int, labels: int) -> None:
    axes = found.plot(most=most)
    assert len(axes.patches) == labels
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == (
        "Dense  two (<Dense>)" if most == 30 else ["2 others", "1 other"][most]
    )


def test_several_inputs_and_open_dimensions(tmp_path: Path) -> None:
    import keras

    steps, other = keras.Input((None, 3)), keras.Input((4,))
    h = keras.layers.LSTM(4)(steps)
    model = sofie_jit.load(keras.Model([steps, other], keras.layers.Add()([h, other])))
    short, long = (model.profile(np.ones((2, n, 3)), np.ones((2, 4))) for n in (5, 10))
    assert [r["operator"] for r in short.records] == [r["operator"] for r in long.records]
    lstm = [next(r for r in p.records if r["operator"] == "LSTM") for p in (short, long)]
    assert lstm[1]["flops"] == 2 * lstm[0]["flops"]
    image = keras.Input((None, None, 3))
    any_size = sofie_jit.load(keras.Model(image, keras.layers.Flatten()(keras.layers.GlobalMaxPooling2D()(image))))
    assert any_size.profile(np.ones((2, 8, 9, 3))).records


def test_stateful_model() -> None:
    import keras

    steps = keras.Input((3, 2), batch_size=4)
    model = sofie_jit.load(keras.Model(steps, keras.layers.LSTM(5, stateful=True)(steps)))
    x = np.ones((4, 3, 2), np.float32)
    once = model.infer(x)
    assert "LSTM" in [record["operator"] for record in model.profile(x).records]
    again = model.infer(x)
    model.reset_states()
    np.testing.assert_array_equal(model.infer(x), once)
    np.testing.assert_array_equal(model.infer(x), again)


def test_invalid_inputs() -> None:
    model = small().compile()
    with pytest.raises(InputError, match="at least one row"):
        model.profile(np.zeros((0, 2, 3)))
    with pytest.raises(ValueError, match="shape"):
        model.profile(np.zeros((1, 3, 2)))
    table = RModel("table")
    table.add_input_tensor_info("i", "int64", (None, 2))
    table.add_initialized_tensor("rows", np.ones((3, 2), np.float32))
    table.add_operator(Gather(inputs=["rows", "i"], outputs=["y"]))
    table.add_output_tensor_names("y")
    with pytest.raises(OutOfRangeError):
        table.compile().profile(np.array([[0, 3]]))


def test_only_a_profiling_session_reads_the_clock() -> None:
    lowered = lower(small(), True)
    usual, profiling = CompiledSession(lowered), CompiledSession(lowered, profile=True)
    assert "lap" not in usual.code.text
    assert profiling.code.text.count("k::elapsed(") == 1 + 2
    with pytest.raises(ValueError, match="profile=True"):
        usual.take_op_timings()


def test_profiling_does_not_change_results() -> None:
    model, x = sofie_jit.load(MODEL_FILE), load_digits().images
    session, y = CompiledSession(model._execution.lowered, profile=True), np.empty((len(x), 10), np.float32)
    assert session.run([len(x)], [x, y]) == 0
    np.testing.assert_array_equal(y, model.infer(x))
    assert (session.take_op_timings() > 0).all()
    assert (session.take_op_timings() == 0).all()


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", load_digits().images[:3])
    plot = tmp_path / "bars.svg"
    assert main(["profile", str(MODEL_FILE), "--input", str(tmp_path / "x.npy"), "--json", "--plot", str(plot)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["operators"][0]["output"] == "(3, 8, 8, 16)"
    ElementTree.parse(plot)
    assert main(["profile", str(MODEL_FILE), "--batch", "2"]) == 0
    assert "(2, 8, 8, 16)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["profile", str(MODEL_FILE), "--batch", "0"])
