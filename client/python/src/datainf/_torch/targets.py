"""Which weights of a model are blocks, and which modules use them."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from datainf._block import Block

_Role = Literal["lora_A", "lora_B", "linear"]

_NOTHING = (
    "the model has no LoRA matrices: apply LoRA by PEFT, or name weights of torch.nn.Linear modules"
    " by include="
)
_FROZEN = (
    "all LoRA matrices of adapter {adapter!r} are frozen, so no gradient reaches them: load it by"
    " PeftModel.from_pretrained(..., is_trainable=True), or set requires_grad"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A weight whose gradient is captured.

    Attributes:
        block: Its name and shape, [rank, width]; [out, in] of an included weight.
        weight: The parameter, [out, in].
        modules: All modules that use it; several if it is tied.
        transposed: Whether the block is the weight's transpose, as for lora_B.
    """

    block: Block
    weight: torch.Tensor
    modules: tuple[nn.Linear, ...]
    transposed: bool


def unwrap(model: nn.Module) -> nn.Module:
    """Returns the model itself, without DistributedDataParallel.

    Raises:
        ValueError: It is wrapped in something else, through which hooks do not see samples.
    """
    if isinstance(model, DistributedDataParallel):
        return unwrap(model.module)
    if isinstance(model, nn.DataParallel):
        raise ValueError(
            "model is a DataParallel, which splits batches over copies of the modules: use"
            " DistributedDataParallel, one process for each device"
        )
    if hasattr(model, "_orig_mod"):
        raise ValueError(
            "model was compiled by torch.compile, which may leave out hooks: pass the model from"
            " before (model._orig_mod), and call that one while capturing"
        )
    return model


def find_targets(model: nn.Module, adapter: str | None, include: Sequence[str]) -> list[Target]:
    """Returns the blocks of a model in the order of its modules.

    Args:
        model: With LoRA layers of PEFT, or none if `include` names something.
        adapter: Name of the adapter; None: the active one.
        include: Patterns of names of further weights.

    Raises:
        ValueError: There is nothing to capture, or something that cannot be.
    """
    model = unwrap(model)
    if isinstance(include, str):
        raise ValueError(f"include is {include!r}, expected a sequence of names: [{include!r}]")
    layers = [(name, m) for name, m in model.named_modules() if _is_lora_layer(m)]
    chosen = _chosen_adapter(layers, adapter)
    roles: dict[nn.Module, _Role] = {}
    for name, layer in layers:
        if chosen is not None and _holds(layer, chosen):
            _require_supported(name, layer, chosen)
            roles[layer.lora_A[chosen]] = "lora_A"
            roles[layer.lora_B[chosen]] = "lora_B"
    linears = {
        _block_name(name, chosen): m
        for name, m in model.named_modules()
        if isinstance(m, nn.Linear)
    }
    for name in _included(include, {n: m for n, m in linears.items() if m not in roles}):
        roles[linears[name]] = "linear"
    targets = list(_targets(linears, roles))
    if layers and all(roles[t.modules[0]] == "linear" for t in targets if t.modules[0] in roles):
        raise ValueError(_FROZEN.format(adapter=chosen))
    if not targets:
        raise ValueError(_NOTHING)
    for target in targets:
        _require_only_linear(model, target)
    return targets


def _is_lora_layer(module: Any) -> bool:
    return isinstance(getattr(module, "lora_A", None), nn.ModuleDict) and hasattr(module, "lora_B")


def _holds(layer: Any, adapter: str) -> bool:
    return adapter in layer.lora_A or adapter in getattr(layer, "lora_embedding_A", ())


def _chosen_adapter(layers: list[tuple[str, Any]], adapter: str | None) -> str | None:
    if not layers:
        if adapter is not None:
            raise ValueError(f"adapter is {adapter!r}, but the model has no LoRA layers")
        return None
    active = dict.fromkeys(name for _, layer in layers for name in layer.active_adapters)
    present = dict.fromkeys(
        name
        for _, layer in layers
        for name in (*layer.lora_A, *getattr(layer, "lora_embedding_A", ()))
    )
    if adapter is None:
        used = [name for name in active if name in present]
        if len(used) != 1:
            raise ValueError(f"active LoRA adapters are {used}, expected one: pass adapter=")
        return used[0]
    if adapter not in present:
        raise ValueError(f"adapter is {adapter!r}, expected one of {list(present)}")
    if adapter not in active:
        raise ValueError(
            f"adapter {adapter!r} is not active, so no gradient reaches it: call"
            f" model.set_adapter({adapter!r}) before"
        )
    return adapter


def _require_supported(name: str, layer: Any, adapter: str) -> None:
    def refuse(what: str, remedy: str) -> ValueError:
        return ValueError(f"{name or 'model'} {what}: {remedy}")

    if adapter not in layer.lora_A:
        raise refuse(
            "is an embedding with LoRA, which cannot be captured",
            "leave it out of target_modules",
        )
    for part in (layer.lora_A[adapter], layer.lora_B[adapter]):
        if not isinstance(part, nn.Linear):
            raise refuse(
                f"has LoRA of {type(part).__name__}, which cannot be captured",
                "leave convolutions out of target_modules",
            )
    variant = getattr(layer, "lora_variant", {})
    if adapter in variant:
        kind = type(variant[adapter]).__name__.removesuffix("LinearVariant")
        raise refuse(
            f"uses the LoRA variant {kind}, which cannot be captured",
            "train with plain LoRA (use_dora=False)",
        )
    if adapter in getattr(layer, "merged_adapters", ()):
        raise refuse("has its adapter merged", "call model.unmerge_adapter() before")
    if getattr(layer, "disable_adapters", False):
        raise refuse("has its adapter disabled", "enable it, model.enable_adapters(), before")


def _block_name(module: str, adapter: str | None) -> str:
    """PEFT's name of the parameter without the adapter's, as in a saved adapter."""
    name = f".{module}.weight"
    for part in ("lora_A", "lora_B"):
        name = name.replace(f".{part}.{adapter}.", f".{part}.")
    return name.replace(f".modules_to_save.{adapter}.", ".").removeprefix(".")


def _included(include: Sequence[str], linears: dict[str, nn.Linear]) -> Iterator[str]:
    for pattern in include:
        found = [n for n in linears if fnmatch.fnmatchcase(f".{n}", f"*.{pattern.lstrip('.')}")]
        if not found:
            near = difflib.get_close_matches(pattern, linears, n=3, cutoff=0.3)
            raise ValueError(
                f"include names {pattern!r}, which is no weight of a torch.nn.Linear; near are"
                f" {near}"
            )
        trained = [name for name in found if linears[name].weight.requires_grad]
        if not trained:
            raise ValueError(
                f"include names {found[0]!r}, which is frozen: it was not trained, so leave it out;"
                " otherwise set requires_grad"
            )
        yield from trained


def _targets(linears: dict[str, nn.Linear], roles: dict[nn.Module, _Role]) -> Iterator[Target]:
    users: dict[int, list[str]] = {}  # by identity of the weight
    for name, module in linears.items():
        users.setdefault(id(module.weight), []).append(name)
    for names in users.values():
        chosen = [n for n in names if linears[n] in roles]
        if not chosen or not linears[chosen[0]].weight.requires_grad:
            continue
        name = chosen[0]
        weight = linears[name].weight
        if weight.dim() != 2 or hasattr(weight, "device_mesh"):
            raise ValueError(
                f"{name} is sharded over processes (FSDP, DeepSpeed or tensor parallel), so that no"
                " process sees it whole: capture with DistributedDataParallel or one process"
            )
        transposed = roles[linears[name]] == "lora_B"
        rows, columns = reversed(weight.shape) if transposed else weight.shape
        modules = tuple(linears[each] for each in names)
        yield Target(Block(name, rows, columns), weight, modules, transposed)


def _require_only_linear(model: nn.Module, target: Target) -> None:
    for name, module in model.named_modules():
        if module in target.modules:
            continue
        if any(each is target.weight for each in module._parameters.values()):
            raise ValueError(
                f"{target.block.name} is tied to {name}, a {type(module).__name__}, whose part of"
                " the gradient cannot be captured: leave it out, or untie the weights"
            )
