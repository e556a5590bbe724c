"""The command, against the real server: golden cases first."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import worst_relative_error
from server_process import ServerProcess

from datainf._cli import main

GOLDEN = Path(__file__).parents[3] / "server/engine/src/test/resources/golden"
# Row-wise, relative to the row's greatest score. Plain float32 reaches 1e-6 on all three.
TOLERANCES = {"tiny-handmade": 1e-6, "heavy-tailed": 1e-5, "lora-r4-minilm": 1e-5}
# The golden score of each method: the paper's code has the sign of lambda wrong in LiSSA.
METHODS = {
    "hessian_free": "hessian_free",
    "lissa": "lissa_plus",
    "lissa_reference": "lissa",
    "exact": "exact",
}
EXACT_TOLERANCE = 1e-4
# Sums of the same squares in double precision.
LAMBDA_TOLERANCE = 1e-12


_EXPECTED_ON_STDERR = (
    r"|datainf push: ids are not integers: using row numbers\n"
    r"|datainf query: lissa(_reference)? did not converge: .*\n"
)


def datainf(*arguments: str) -> str:
    """Runs the installed command; returns what it printed."""
    command = [str(Path(sys.executable).with_name("datainf")), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(_EXPECTED_ON_STDERR, result.stderr)
    return result.stdout


@pytest.mark.parametrize("case", TOLERANCES)
def test_golden_case_and_all_its_prefixes(server: ServerProcess, tmp_path: Path, case: str) -> None:
    path = str(GOLDEN / f"{case}.npz")
    common = ["--run", f"golden-{case}", "--target", server.target]
    out = tmp_path / "out.npz"

    def query(method: str) -> dict[str, Any]:
        datainf("query", path, *common, "--method", method, "--out", str(out))
        with np.load(out) as answer:
            return dict(answer)

    with np.load(path) as golden:
        prefixes = sorted(
            int(m[1]) for key in golden if (m := re.match(r"prefix(\d+)\.lambda", key))
        )
        assert prefixes[0] == 1
        for count in prefixes:
            datainf("push", path, *common, "--limit", str(count))
            answer = query("datainf")
            expected = golden[f"prefix{count}.score.datainf"]
            assert worst_relative_error(answer["scores"], expected) <= TOLERANCES[case]
            np.testing.assert_allclose(
                answer["lambda"], golden[f"prefix{count}.lambda"], rtol=LAMBDA_TOLERANCE
            )
        datainf("push", path, *common)
        answer = query("datainf")
        assert set(answer) == {"scores", "sample_ids", "lambda", "block_names"}
        assert answer["block_names"].tolist() == golden["block_names"].tolist()
        assert answer["sample_ids"].shape == (len(golden["train.0"]),)
        error = worst_relative_error(answer["scores"], golden["score.datainf"])
        assert error <= TOLERANCES[case]
        np.testing.assert_allclose(answer["lambda"], golden["lambda"], rtol=LAMBDA_TOLERANCE)
        for method, key in METHODS.items():
            answer = query(method)
            error = worst_relative_error(answer["scores"], golden[f"score.{key}"])
            assert error <= (EXACT_TOLERANCE if method == "exact" else TOLERANCES[case]), method
        statistics = json.loads(datainf("stats", *common, "--json"))
        assert statistics["sample_count"] == len(golden["train.0"])
        np.testing.assert_allclose(
            [block["squared_norm_sum"] for block in statistics["blocks"]],
            golden["sqnorm"].sum(axis=0),
            rtol=LAMBDA_TOLERANCE,
        )


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A file with n = 3 (ids 30, 10, 20), m = 1, one block of 2 elements."""
    path = tmp_path / "example.npz"
    np.savez(path, **example_arrays())
    return path


def example_arrays() -> dict[str, Any]:
    return {
        "block_names": np.array(["layer.lora_A"]),
        "block_shapes": np.array([[1, 2]]),
        "train.0": np.array([[1, 0], [-1, 0], [0, 1]], np.float32),
        "val.0": np.array([[1, 0]], np.float32),
        "ids": np.array([30, 10, 20]),
    }


def test_push_may_be_repeated(
    server: ServerProcess, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["push", str(example), "--run", "repeated", "--target", server.target]
    assert main(arguments) == 0
    assert (
        "3 stored, 0 duplicate, 0 rejected; run repeated is at revision 3"
        in capsys.readouterr().out
    )
    assert main(arguments) == 0
    assert "0 stored, 3 duplicate, 0 rejected" in capsys.readouterr().out


def test_ids_that_are_no_integers_are_replaced_by_row_numbers_with_a_word(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "named.npz"
    np.savez(path, **{**example_arrays(), "ids": np.array(["a", "b", "c"])})
    assert main(["push", str(path), "--run", "named", "--target", server.target]) == 0
    assert "ids are not integers" in capsys.readouterr().err


def test_options_of_methods_and_relatif(
    server: ServerProcess, example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--run", "every-option", "--target", server.target]
    out = tmp_path / "out.npz"
    assert main(["push", str(example), *common]) == 0
    query = ["query", str(example), *common, "--out", str(out)]
    for options in (
        ["--method", "lissa", "--lissa-iterations", "3", "--lissa-alpha", "0.1"],
        ["--method", "exact", "--exact-tolerance", "1e-9", "--damping-scale", "0.5"],
        ["--normalization", "cosine"],
    ):
        assert main([*query, *options]) == 0
    capsys.readouterr()
    assert main([*query, "--method", "lissa", "--lissa-alpha", "-1"]) == 1
    assert "lissa.alpha is -1" in capsys.readouterr().err
    assert main([*query, "--exact-tolerance", "0.1"]) == 1
    assert "exact_tolerance does not go with method 'datainf'" in capsys.readouterr().err
    assert main([*query, "--normalization", "relatif"]) == 1
    assert "ComputeSelfInfluence" in capsys.readouterr().err
    assert main(["self-influence", *common, "--estimate"]) == 0
    assert "18 multiplications" in capsys.readouterr().out
    assert main(["self-influence", *common, "--out", str(out)]) == 0
    assert "of 3 samples of run every-option at revision 3" in capsys.readouterr().out
    with np.load(out) as own:
        assert own["sample_ids"].tolist() == [30, 10, 20]
        assert (own["self_influence"] < 0).all()
    assert main(["self-influence", *common]) == 0
    assert "the server holds the result" in capsys.readouterr().out
    assert main([*query, "--normalization", "relatif"]) == 0


def test_solver_that_did_not_converge_is_told(
    server: ServerProcess, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(example) as file:
        np.savez(example, **{**file, "train.0": 1000 * file["train.0"]})  # LiSSA's step is too long
    common = [str(example), "--run", "diverges", "--target", server.target]
    assert main(["push", *common]) == 0
    message = "lissa did not converge: relative residual"
    for command in (["query", *common, "--top", "1"], ["top", *common]):
        capsys.readouterr()
        assert main(command) == 0
        assert "converge" not in "".join(capsys.readouterr())
        assert main([*command, "--method", "lissa"]) == 0
        assert message in "".join(capsys.readouterr())


def test_options_of_a_new_run_and_differences_to_an_existing_one(
    server: ServerProcess, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--run", "options", "--target", server.target]
    push = ["push", str(example), *common]
    options = ["--dtype", "bf16", "--damping-scale", "0.5", "--checkpoint", "step-9"]
    assert main([*push, *options]) == 0
    capsys.readouterr()
    assert main(["stats", *common]) == 0
    assert "stored as bf16, damping scale 0.5" in capsys.readouterr().out
    # What is not said is not compared.
    assert main(push) == 0
    capsys.readouterr()
    assert main([*push, "--checkpoint", "step-10"]) == 1
    error = capsys.readouterr().err
    assert "checkpoint" in error
    assert "ALREADY_EXISTS" in error


def test_top_prints_ids_in_order_of_rank(
    server: ServerProcess, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [str(example), "--run", "table", "--target", server.target]
    assert main(["push", *common]) == 0
    capsys.readouterr()
    assert main(["query", *common, "--top", "2"]) == 0
    header, columns, *lines = capsys.readouterr().out.splitlines()
    assert "negative = helpful, positive = harmful" in header
    assert columns.split() == ["validation", "rank", "sample_id", "score"]
    # Sample 10 opposes the validation point: the most harmful; sample 20 is orthogonal.
    assert [line.split()[:3] for line in lines] == [["0", "1", "10"], ["0", "2", "20"]]
    assert float(lines[0].split()[3]) > 0 == float(lines[1].split()[3])


def test_rejected_samples_are_listed_and_change_the_exit_status(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = example_arrays()
    arrays["train.0"][1, 1] = np.nan
    path = tmp_path / "nan.npz"
    np.savez(path, **arrays)
    assert main(["push", str(path), "--run", "with-nan", "--target", server.target]) == 3
    output = capsys.readouterr()
    assert "2 stored, 0 duplicate, 1 rejected" in output.out
    assert "sample 10 rejected (nan) in block 'layer.lora_A'" in output.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "--run", "nope"], "nope"),
        (["query", "EXAMPLE", "--run", "nope", "--top", "1"], "nope"),
        (["push", "missing.npz", "--run", "r"], "push: missing.npz: No such file or directory\n"),
        (["push", "EXAMPLE", "--run=-wrong name"], "run_id"),
        (
            ["push", "EXAMPLE", "--run", "r", "--target", "unix:/nonexistent"],
            "answer at --target unix:/none",
        ),
    ],
)
def test_errors_are_one_message_without_traceback(
    server: ServerProcess,
    example: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    filled = [str(example) if argument == "EXAMPLE" else argument for argument in arguments]
    if "--target" not in filled:
        filled += ["--target", server.target]
    assert main(filled) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"datainf {arguments[0]}: ")
    assert message in error
    assert "Traceback" not in error


def test_query_of_another_layout_names_the_difference(
    server: ServerProcess, example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--run", "one-layout", "--target", server.target]
    assert main(["push", str(example), *common]) == 0
    other = tmp_path / "other.npz"
    np.savez(other, **{**example_arrays(), "block_shapes": np.array([[2, 1]])})
    assert main(["query", str(other), *common, "--top", "1"]) == 1
    assert "block 0 is Block(name='layer.lora_A', rows=2, columns=1)" in capsys.readouterr().err
    assert main(["push", str(other), *common]) == 1
    assert "ALREADY_EXISTS" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["push", "f.npz"],
        ["push", "f.npz", "--run", "r", "--limit", "0"],
        ["query", "f.npz", "--run", "r"],
        ["query", "f.npz", "--run", "r", "--top", "1", "--out", "o.npz"],
        ["query", "f.npz", "--run", "r", "--top", "1", "--method", "magic"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as failure:
        main(arguments)
    assert failure.value.code == 2
