"""Finds the training examples of a validation point's class (task 2 of the DataInf paper).

A language model is tuned on ten classes of prompts with answers. For each validation point, the
training examples of its own class should be the most helpful. Gradients are of the loss of the
prompt only, as the paper's authors have it, and of the answer only, which is what was learnt.
"""

from __future__ import annotations

import argparse
import string
from collections.abc import Sequence
from typing import Any, Protocol

import figures
import peft
import synthetic
import torch
import transformers
from common import DEVICE, Samples, Stages, capture, connected, count, parser, positive, tune
from synthetic import Example

import datainf

TINY = "tiny-llama"
LOSSES = ("prompt", "answer")

_IGNORED = -100
_BASE_TEXTS = 2000


class Tokenizer(Protocol):
    """What is needed of a tokenizer."""

    eos_token_id: int

    def encode(self, text: str) -> list[int]:
        """Returns tokens."""


class Characters:
    """A tokenizer with a token for each of 95 characters, and two more: padding and end."""

    eos_token_id = 1
    symbols = string.printable[:95]

    def encode(self, text: str) -> list[int]:
        """Returns tokens."""
        return [2 + self.symbols.index(each) for each in text]


def tiny_llama(steps: int, seed: int) -> tuple[Any, Tokenizer]:
    """Returns a Llama of 95,000 parameters that has seen letters, but none of the classes.

    Trained longer, plain inner products of gradients come near the ceiling.
    """
    torch.manual_seed(seed)
    tokenizer = Characters()
    made: Any = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=2 + len(tokenizer.symbols),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    model = made.to(DEVICE)
    texts = synthetic.generic_text(_BASE_TEXTS, seed)
    samples = tokens_of([Example(text, "", "") for text in texts], tokenizer, "both")
    tune(model, samples, epochs=1, steps=steps, learning_rate=3e-3, batch_samples=32, seed=seed)
    return model, tokenizer


def real_model(name: str) -> tuple[Any, Tokenizer]:
    """Returns a model of a hub, e.g. meta-llama/Llama-2-13B-chat-hf; on a GPU in bfloat16."""
    auto: Any = transformers.AutoModelForCausalLM
    dtype = torch.bfloat16 if DEVICE == "cuda" else torch.float32
    model = auto.from_pretrained(name, dtype=dtype, device_map=DEVICE)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name)
    return model, tokenizer


def tokens_of(examples: Sequence[Example], tokenizer: Tokenizer, loss: str) -> Samples:
    """Returns examples as the model takes them, padded to the right.

    Args:
        examples: The examples.
        tokenizer: The tokenizer.
        loss: Which tokens have a loss: of the `"prompt"`, of the `"answer"`, or of `"both"`.
    """

    def batch(rows: Sequence[int]) -> dict[str, torch.Tensor]:
        inputs, labels = [], []
        for example in [examples[k] for k in rows]:
            prompt = tokenizer.encode(example.prompt)
            whole = tokenizer.encode(f"{example.prompt} {example.answer}")
            answer = [*whole[len(prompt) :], tokenizer.eos_token_id]
            ignored = [_IGNORED] * len(prompt), [_IGNORED] * len(answer)
            inputs.append(torch.tensor(prompt + answer))
            told = (
                ignored[0] if loss == "answer" else prompt,
                ignored[1] if loss == "prompt" else answer,
            )
            labels.append(torch.tensor(told[0] + told[1]))
        pad = torch.nn.utils.rnn.pad_sequence
        lengths = torch.tensor([len(each) for each in inputs])
        padded = pad(inputs, batch_first=True, padding_value=0)
        return {
            "input_ids": padded,
            "attention_mask": (torch.arange(padded.shape[1]) < lengths[:, None]).long(),
            "labels": pad(labels, batch_first=True, padding_value=_IGNORED),
        }

    return Samples(count=len(examples), batch=batch)


def tuned(arguments: argparse.Namespace, examples: Sequence[Example]) -> tuple[Any, Tokenizer]:
    """Returns the model after tuning by LoRA on prompts and answers, with its tokenizer."""
    if arguments.model == TINY:
        model, tokenizer = tiny_llama(arguments.base_steps, arguments.seed)
    else:
        model, tokenizer = real_model(arguments.model)
    torch.manual_seed(arguments.seed)
    lora = peft.LoraConfig(
        task_type="CAUSAL_LM", r=8, lora_alpha=32, target_modules=["q_proj", "v_proj"]
    )
    model = peft.get_peft_model(model, lora)
    tune(
        model,
        tokens_of(examples, tokenizer, "both"),
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        batch_samples=arguments.batch,
        seed=arguments.seed,
    )
    return model, tokenizer


def ask(
    client: datainf.Client, name: str, arguments: argparse.Namespace, stages: Stages
) -> dict[str, list[figures.Row]]:
    """Tunes on a set, and returns the figures of its two losses."""
    each = arguments.each
    train, validation = synthetic.generate(name, each, max(each // 9, 1), arguments.seed)
    with stages("training"):
        model, tokenizer = tuned(arguments, train)
    found: dict[str, list[figures.Row]] = {}
    for loss in LOSSES:
        with stages("capture"):
            run, gradients = capture(
                client,
                f"identify-{name}-{loss}",
                model,
                tokens_of(train, tokenizer, loss),
                tokens_of(validation, tokenizer, loss),
                batch_samples=arguments.batch,
            )
        with stages("questions"):
            labels, point_labels = ([e.label for e in part] for part in (train, validation))
            rows = figures.find_class(run, gradients, labels, point_labels)
        figures.require_recomputed(run, gradients)
        figures.print_table(f"{arguments.model}, {name}, loss of the {loss}", rows)
        found[f"{name}, {loss}"] = rows
    return found


def main() -> None:
    """Asks about each set and reports."""
    arguments = _arguments()
    stages = Stages()
    results: dict[str, list[figures.Row]] = {}
    with connected(arguments.target) as client:
        for name in arguments.sets:
            print(f"\n{name}", flush=True)
            results |= ask(client, name, arguments, stages)
    report = {
        "task": "identify",
        "settings": vars(arguments),
        "seconds": stages.seconds,
        "results": results,
    }
    figures.write_json(arguments.out, report)
    panels = {name: figures.auc_panel(rows) for name, rows in results.items()}
    figures.draw(arguments.out, "training examples of the same class", panels)


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, "identify")
    options.add_argument("--model", default=TINY, help="e.g. meta-llama/Llama-2-13B-chat-hf")
    options.add_argument("--sets", nargs="+", default=list(synthetic.SETS), choices=synthetic.SETS)
    options.add_argument("--each", type=count, default=90, help="training examples of each class")
    options.add_argument("--base-steps", type=count, default=50, help=f"training of {TINY}")
    options.add_argument("--epochs", type=count, default=1)
    options.add_argument("--learning-rate", type=positive, default=1e-3)
    options.add_argument("--batch", type=count, default=16)
    arguments = options.parse_args()
    if arguments.reduced:
        arguments.sets, arguments.each, arguments.base_steps = ["math"], 9, 5
    return arguments


if __name__ == "__main__":
    main()
