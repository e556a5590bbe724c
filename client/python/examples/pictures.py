"""Finds the training pictures of a validation picture's style (task 3 of the DataInf paper).

A UNet is tuned by LoRA on captions and pictures in three styles. For each validation picture, the
training pictures in its own style should be the most helpful. As in the authors' code, a gradient
is that of several time steps, side by side in each block; noise belongs to the picture.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import drawings
import figures
import numpy as np
import peft
import torch
from common import DEVICE, Samples, Stages, connected, count, parser, positive, tune

import datainf

TINY = "tiny-unet"

_TIME_STEPS = (25, 225, 425, 525, 725, 925)
_TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]


class Painter(NamedTuple):
    """A UNet, with its training and validation pictures as it takes them.

    Attributes:
        unet: The UNet.
        train: Latents, [n, c, h, w], and encoded captions, [n, t, e].
        validation: The same of the validation pictures.
        styles: Style of each training picture.
        validation_styles: Style of each validation picture.
    """

    unet: Any
    train: tuple[torch.Tensor, torch.Tensor]
    validation: tuple[torch.Tensor, torch.Tensor]
    styles: list[str]
    validation_styles: list[str]


class Noise:
    """The noise process of diffusion with 1,000 time steps."""

    def __init__(self) -> None:
        """Takes the schedule of stable diffusion."""
        self._scheduler: Any = diffusers.DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        )

    def samples(
        self, encoded: tuple[torch.Tensor, torch.Tensor], seed: int, step: int | None = None
    ) -> Samples:
        """Returns pictures with noise; of a fixed time step, or of one drawn with each batch."""
        latents, captions = encoded
        generator = torch.Generator().manual_seed(seed)
        fixed = torch.randn(latents.shape, generator=generator)

        def batch(rows: Sequence[int]) -> dict[str, torch.Tensor]:
            chosen = list(rows)
            if step is None:
                noise = torch.randn(latents[chosen].shape, generator=generator)
                steps = torch.randint(0, 1000, (len(chosen),), generator=generator)
            else:
                noise, steps = fixed[chosen], torch.full((len(chosen),), step)
            noisy = self._scheduler.add_noise(latents[chosen], noise, steps)
            return {"noisy": noisy, "noise": noise, "steps": steps, "captions": captions[chosen]}

        return Samples(count=len(latents), batch=batch)


def losses_of(model: Any, batch: Any) -> torch.Tensor:
    """Returns the mean squared error of the noise that the model sees, of each picture, [B]."""
    seen = model(batch["noisy"], batch["steps"], encoder_hidden_states=batch["captions"]).sample
    errors: torch.Tensor = (seen.float() - batch["noise"]) ** 2
    return errors.flatten(1).mean(dim=1)


def tiny(arguments: argparse.Namespace) -> Painter:
    """Returns a UNet of 0.8 million parameters that has been trained on plain drawings.

    Without that training, gradients tell nothing of styles.
    """
    torch.manual_seed(arguments.seed)
    model: Any = diffusers.UNet2DConditionModel(
        sample_size=16,
        in_channels=12,
        out_channels=12,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    unet = model.to(DEVICE)
    words = torch.nn.Embedding(len(drawings.WORDS), 32).weight.detach()
    plain = drawings.draw([drawings.PLAIN], 600, arguments.seed + 1)
    tune(
        unet,
        Noise().samples(_encoded(plain, words), arguments.seed),
        epochs=1 + arguments.base_steps // 18,
        steps=arguments.base_steps,
        learning_rate=1e-3,
        batch_samples=32,
        seed=arguments.seed,
        loss=losses_of,
    )
    each = arguments.each
    train = drawings.draw(drawings.STYLES, each, arguments.seed + 2)
    validation = drawings.draw(drawings.STYLES, max(each // 4, 2), arguments.seed + 3)
    styles = [[each.style for each in part] for part in (train, validation)]
    return Painter(unet, _encoded(train, words), _encoded(validation, words), *styles)


def _encoded(
    pictures: Sequence[drawings.Drawing], words: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.tensor(np.stack([each.pixels for each in pictures])).permute(0, 3, 1, 2)
    captions = torch.tensor([[drawings.WORDS.index(w) for w in each.words] for each in pictures])
    return torch.nn.functional.pixel_unshuffle(2 * pixels - 1, 2), words[captions]


def real(arguments: argparse.Namespace) -> Painter:
    """Returns the UNet of a pipeline of a hub, with pictures of a folder with one a style.

    The first `--each` of a folder, by name, are for training, a quarter as many for validation.
    """
    from PIL import Image  # noqa: PLC0415  # only for files

    if arguments.pictures is None:
        raise SystemExit(f"--model {arguments.model} takes --pictures, a folder with one a style")
    pipeline: Any = diffusers.StableDiffusionPipeline
    loaded = pipeline.from_pretrained(arguments.model, safety_checker=None).to(DEVICE)
    each, parts = arguments.each, ([], [])  # type: ignore[var-annotated]
    for folder in sorted(path for path in arguments.pictures.iterdir() if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.is_file())[: each + each // 4]
        for k, file in enumerate(files):
            parts[k >= each].append((folder.name, file))

    def encoded(part: list[tuple[str, Path]]) -> tuple[torch.Tensor, torch.Tensor]:
        latents, captions = [], []
        for style, file in part:
            picture = Image.open(file).convert("RGB").resize((512, 512))
            pixels = torch.tensor(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
            with torch.no_grad():
                code = loaded.vae.encode(pixels.to(DEVICE)).latent_dist.mode()
                caption, _ = loaded.encode_prompt(f"a picture in {style} style", DEVICE, 1, False)
            latents.append(code.cpu() * loaded.vae.config.scaling_factor)
            captions.append(caption.cpu())
        return torch.cat(latents), torch.cat(captions)

    styles = [[style for style, _ in part] for part in parts]
    return Painter(loaded.unet, encoded(parts[0]), encoded(parts[1]), *styles)


def side_by_side(
    cap: Any, encoded: tuple[torch.Tensor, torch.Tensor], seed: int, batch_samples: int
) -> figures.Gradients:
    """Returns the gradients of all time steps, side by side in each block, [n, D]."""
    by_step = []
    for step in _TIME_STEPS:
        batches = Noise().samples(encoded, seed, step).batches(batch_samples)
        by_step.append(torch.cat([cap.gradients(batch) for _, batch in batches]))
    pieces, start = [], 0
    for block in cap.blocks:
        part = slice(start, start + block.dimension)
        start = part.stop
        steps = [rows[:, part].view(-1, block.rows, block.columns) for rows in by_step]
        pieces.append(torch.cat(steps, dim=2).flatten(1))
    return torch.cat(pieces, dim=1).numpy()


def stored(
    client: datainf.Client, painter: Painter, arguments: argparse.Namespace
) -> tuple[datainf.Run, figures.Gradients]:
    """Streams the training pictures' gradients; returns the run, and the validation gradients."""
    batch_samples, seed = arguments.batch, arguments.seed
    with datainf.capture(painter.unet, loss=losses_of) as cap:
        rows = side_by_side(cap, painter.train, seed, batch_samples)
        points = side_by_side(cap, painter.validation, seed, batch_samples)
        steps = len(_TIME_STEPS)
        blocks = [datainf.Block(b.name, b.rows, b.columns * steps) for b in cap.blocks]
    run = client.create_run(f"pictures-{uuid.uuid4().hex[:8]}", blocks, checkpoint="final")
    with run.writer() as writer:
        for k, row in enumerate(rows):
            writer.add(k, row)
        writer.flush()
        if writer.rejected:
            raise SystemExit(f"the server rejected samples: {writer.rejected[:3]}")
    return run, points


def main() -> None:
    """Tunes, captures, asks and reports."""
    arguments = _arguments()
    stages = Stages()
    with stages("base"):
        painter = tiny(arguments) if arguments.model == TINY else real(arguments)
    torch.manual_seed(arguments.seed)
    painter.unet.requires_grad_(False)
    rank = arguments.rank
    painter.unet.add_adapter(peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=_TARGETS))
    with stages("training"):
        tune(
            painter.unet,
            Noise().samples(painter.train, arguments.seed),
            epochs=arguments.epochs,
            learning_rate=arguments.learning_rate,
            batch_samples=arguments.batch,
            seed=arguments.seed,
            loss=losses_of,
        )
    with connected(arguments.target) as client:
        with stages("capture"):
            run, gradients = stored(client, painter, arguments)
        with stages("questions"):
            rows = figures.find_class(run, gradients, painter.styles, painter.validation_styles)
        error = figures.require_recomputed(run, gradients)
    figures.print_table(f"{arguments.model}: training pictures of the same style", rows)
    report = {
        "task": "pictures",
        "settings": vars(arguments),
        "samples": len(painter.styles),
        "blocks": len(run.blocks),
        "dimension": run.dimension,
        "seconds": stages.seconds,
        "relative_error_vs_numpy": error,
        "results": rows,
    }
    figures.write_json(arguments.out, report)
    figures.draw(
        arguments.out,
        "training pictures of the same style",
        {arguments.model: figures.auc_panel(rows)},
    )


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, "pictures")
    options.add_argument("--model", default=TINY, help="e.g. runwayml/stable-diffusion-v1-5")
    options.add_argument("--pictures", type=Path, help="a folder with a folder of files a style")
    options.add_argument("--each", type=count, default=60, help="training pictures of each style")
    options.add_argument("--rank", type=count, default=4, help="of LoRA")
    options.add_argument("--base-steps", type=count, default=300, help=f"training of {TINY}")
    options.add_argument("--epochs", type=count, default=5)
    options.add_argument("--learning-rate", type=positive, default=1e-3)
    options.add_argument("--batch", type=count, default=20)
    arguments = options.parse_args()
    if arguments.reduced:
        arguments.each, arguments.base_steps, arguments.epochs = 8, 5, 1
    return arguments


if __name__ == "__main__":
    main()
