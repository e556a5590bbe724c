"""A script that `accelerate launch` starts in several processes: trains, and asks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models import llama
from trainers import InfluenceTrainer, arguments, pad, samples, without_dropout

import datainf


def main(target: str, run_id: str, folder: Path, options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    callback = datainf.DataInfCallback(target, run_id, estimator="during_training")
    trainer = InfluenceTrainer(
        model=without_dropout(llama()),
        args=arguments(folder, **options),
        train_dataset=samples(),
        eval_dataset=samples((8, 4, 6, 5, 7), seed=9),
        data_collator=pad,
        callbacks=[callback],
    )
    trainer.train()
    result = trainer.influence()
    failure = ""
    try:  # fails in the main process; the others must not wait for it
        trainer.influence(ids=[10**6])
    except (datainf.DataInfError, RuntimeError) as error:
        failure = str(error)
    answer = {
        "processes": trainer.accelerator.num_processes,
        "ids": result.ids[0].tolist(),
        "scores": result.scores.tolist(),
        "trajectory": np.asarray(trainer.trajectory_influence().scores).tolist(),
        "failure": failure,
    }
    (folder / f"{trainer.accelerator.process_index}.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))
