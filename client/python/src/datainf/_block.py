"""What a gradient is made of."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """One LoRA weight matrix. lora_A and lora_B of one module are two blocks.

    Attributes:
        name: PEFT's parameter name without the adapter name. Unique within a run.
        rows: The LoRA rank, also for lora_B, whose gradient is transposed to [rank, width].
        columns: The width.

    Example:
        >>> datainf.Block("layers.0.q_proj.lora_A.weight", rows=4, columns=64).dimension
        256
    """

    name: str
    rows: int
    columns: int

    @property
    def dimension(self) -> int:
        """Elements of the block, d_l = rows * columns."""
        return self.rows * self.columns
