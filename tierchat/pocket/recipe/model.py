"""A llama in torch, small enough for two CPU cores: RMSNorm, interleaved RoPE, SwiGLU, tied output.

Does not know what tokens mean, or training. The model rotates interleaved pairs, as GGUF's `llama`
does, so that export needs no permutation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_SIZE = 32
NORM_EPS = 1e-5
ROPE_BASE = 10_000.0


@dataclass(frozen=True)
class Shape:
    """The size of one model; heads are always 32 wide."""

    width: int
    num_layers: int
    hidden: int
    vocab_size: int

    @property
    def num_parameters(self) -> int:
        """The number of all parameters; the tied embedding counts once."""
        layer = 4 * self.width**2 + 3 * self.width * self.hidden + 2 * self.width
        return self.num_layers * layer + self.vocab_size * self.width + self.width


def shapes(vocab_size: int) -> dict[str, Shape]:
    """Return the shapes of the three tiers; M is S with every width doubled."""
    return {
        "xs": Shape(64, 4, 192, vocab_size),
        "s": Shape(192, 6, 512, vocab_size),
        "m": Shape(384, 6, 1024, vocab_size),
    }


def rotations(length: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, each (length, HEAD_SIZE / 2)."""
    rates = ROPE_BASE ** (-torch.arange(0, HEAD_SIZE, 2) / HEAD_SIZE)
    angles = torch.arange(length)[:, None] * rates[None, :]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate interleaved pairs of (batch, heads, time, HEAD_SIZE)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Block(nn.Module):
    """One transformer layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, hidden = shape.width, shape.hidden
        self.attn_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.attn_qkv = nn.Linear(width, 3 * width, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.ffn_gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.ffn_down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """Map (batch, time, width) to the same; `mask` is True where attention is allowed."""
        batch, time, width = x.shape
        qkv = self.attn_qkv(self.attn_norm(x)).view(batch, time, 3, -1, HEAD_SIZE)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        # At this size the formula trains a quarter faster than torch's flash kernel on a CPU.
        scores = rotate(q, cos, sin).to(v.dtype) @ rotate(k, cos, sin).to(v.dtype).transpose(-1, -2)
        scores = (scores.float() * HEAD_SIZE**-0.5).masked_fill(~mask, -1e9)
        mixed = scores.softmax(-1).to(v.dtype) @ v
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, time, width))
        gate, up = self.ffn_gate_up(self.ffn_norm(x)).chunk(2, -1)
        out: Tensor = x + self.ffn_down(F.silu(gate) * up)
        return out


class Llama(nn.Module):
    """Token ids in, logits out; the output matrix is the embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab_size, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.num_layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=NORM_EPS)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                std = 0.02 if "embd" in name else shape.width**-0.5 * 0.7
                nn.init.normal_(weight, std=std)
            if name.endswith(("attn_output.weight", "ffn_down.weight")):
                weight.data.mul_((2 * shape.num_layers) ** -0.5)

    def forward(
        self, ids: Tensor, positions: Tensor, cos: Tensor, sin: Tensor, mask: Tensor
    ) -> Tensor:
        """Map ids and their positions, both (batch, time), to logits (batch, time, vocab)."""
        return self.logits(self.hidden(ids, positions, cos, sin, mask))

    def logits(self, hidden: Tensor) -> Tensor:
        """Map final hidden states (..., width) to logits (..., vocab)."""
        return F.linear(hidden, self.token_embd.weight)

    def hidden(
        self, ids: Tensor, positions: Tensor, cos: Tensor, sin: Tensor, mask: Tensor
    ) -> Tensor:
        """Map ids and their positions to final, normalised hidden states (batch, time, width)."""
        x = self.token_embd(ids)
        rope = cos[positions][:, None], sin[positions][:, None]
        for block in self.blk:
            x = block(x, *rope, mask)
        normalised: Tensor = self.output_norm(x)
        return normalised


def widen(small: Llama, generator: torch.Generator, noise: float = 0.02) -> Llama:
    """Double every width without changing the function (HyperCloning, arXiv 2409.12903).

    A product W x becomes [(W+e)/2, (W-e)/2] [x; x]. The noise e cancels exactly, but breaks the
    symmetry that would make both halves learn the same.
    """
    old = small.shape
    big = Llama(Shape(2 * old.width, old.num_layers, 2 * old.hidden, old.vocab_size))

    def clone(weight: Tensor) -> Tensor:
        halves = []
        for _ in range(2):
            e = torch.randn(weight.shape, generator=generator) * weight.std() * noise * 5
            halves.append(torch.cat(((weight + e) / 2, (weight - e) / 2), 1))
        return torch.cat(halves, 0)

    def clone_parts(weight: Tensor, parts: int) -> Tensor:
        return torch.cat([clone(part) for part in weight.chunk(parts, 0)], 0)

    with torch.no_grad():
        big.token_embd.weight.copy_(small.token_embd.weight.repeat(1, 2))
        # The tied output sees both copies, so the last norm halves them.
        big.output_norm.weight.copy_(small.output_norm.weight.repeat(2) / 2)
        for wide, thin in zip(big.blk, small.blk, strict=True):
            assert isinstance(wide, Block) and isinstance(thin, Block)
            wide.attn_norm.weight.copy_(thin.attn_norm.weight.repeat(2))
            wide.ffn_norm.weight.copy_(thin.ffn_norm.weight.repeat(2))
            wide.attn_qkv.weight.copy_(clone_parts(thin.attn_qkv.weight, 3))
            wide.attn_output.weight.copy_(clone(thin.attn_output.weight))
            wide.ffn_gate_up.weight.copy_(clone_parts(thin.ffn_gate_up.weight, 2))
            wide.ffn_down.weight.copy_(clone(thin.ffn_down.weight))
    return big
