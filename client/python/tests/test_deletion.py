"""Deleting samples and runs, against the real server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from reference import worst_relative_error
from server_process import ServerProcess

import datainf
from datainf._cli import main

BLOCKS = [datainf.Block("a", 2, 30), datainf.Block("b", 4, 25)]
# Of scores, relative to the greatest; what the protocol promises is 1e-6.
TOLERANCE = 1e-6


def filled(client: datainf.Client, run_id: str, ids: np.ndarray, rows: np.ndarray) -> datainf.Run:
    run = client.create_run(run_id, BLOCKS)
    with run.writer() as writer:
        writer.add(ids, rows)
    return run


def test_scores_after_deletion_and_replacement_are_those_of_a_rebuild(
    server: ServerProcess,
) -> None:
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((120, 160)) * np.exp(rng.standard_normal((120, 1)))
    rows = rows.astype(np.float32)
    new = rng.standard_normal((10, 160)).astype(np.float32)
    ids = np.arange(120, dtype=np.uint64)
    validation = rng.standard_normal((3, 160)).astype(np.float32)
    with datainf.Client(server.target) as client:
        run = filled(client, "deletion", ids, rows)
        deletion = run.delete_samples([*ids[::3].tolist(), 500])
        assert deletion == datainf.Deletion(deleted_count=40, absent_count=1, revision=160)
        with run.writer() as writer:
            writer.add(ids[1:30:3], new)
        assert writer.stats().replaced_samples == 10
        left = np.setdiff1d(ids, ids[::3])
        expected_rows = rows.copy()
        expected_rows[1:30:3] = new
        rebuilt = filled(client, "rebuilt", left, expected_rows[left])
        ours, theirs = run.statistics(), rebuilt.statistics()
        assert ours.sample_count == theirs.sample_count == 80
        for block, other in zip(ours.blocks, theirs.blocks, strict=True):
            assert block.squared_norm_sum == pytest.approx(other.squared_norm_sum, rel=1e-12)
        for method in ("datainf", "hessian_free", "exact"):
            got = run.query(validation, method=method, ids=left)
            expected = rebuilt.query(validation, method=method, ids=left)
            assert worst_relative_error(got.scores, expected.scores) <= TOLERANCE, method


def test_deleted_sample_comes_back_only_if_allowed(server: ServerProcess) -> None:
    rows = np.ones((2, 160), np.float32)
    with datainf.Client(server.target) as client:
        run = filled(client, "come-back", np.array([1, 2]), rows)
        run.delete_samples(2)
        writer = run.writer()
        writer.add(2, rows[0])
        with pytest.raises(datainf.FailedPreconditionError, match="sample 2 was deleted"):
            writer.close()
        with run.writer(allow_deleted=True) as allowed:
            allowed.add(2, rows[0])
        assert client.run("come-back").sample_count == 2


def test_commands(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ["--target", server.target]
    with datainf.Client(server.target) as client:
        filled(client, "by-command", np.arange(5), np.ones((5, 160), np.float32))
        listed = tmp_path / "ids.txt"
        listed.write_text("3\n4\n99\n\n")
        assert main(["delete", *target, "--run", "by-command", "--file", str(listed)]) == 0
        assert main(["delete", *target, "--run", "by-command", "--ids", "0", "0"]) == 0
        out = capsys.readouterr().out
        assert "2 deleted, 1 not held; run by-command is at revision 7\n" in out
        assert "1 deleted, 0 not held; run by-command is at revision 8\n" in out
        assert main(["delete", *target, "--run", "by-command", "--ids", "-1"]) == 1
        assert "holds -1, expected integers from 0 to 2^64 - 1" in capsys.readouterr().err
        assert main(["runs", *target]) == 0
        assert "by-command: n = 2, revision 8, D = 160, stored as f32\n" in capsys.readouterr().out
        assert main(["runs", *target, "--json"]) == 0
        runs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {"run_id": "by-command", "sample_count": 2}.items() <= next(
            each for each in runs if each["run_id"] == "by-command"
        ).items()
        assert main(["delete-run", *target, "--run", "by-command", "--yes"]) == 0
        with pytest.raises(datainf.NotFoundError):
            client.run("by-command")
