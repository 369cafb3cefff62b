"""Batched greedy answers in torch, for the rounds and for quick checks while training.

Does not know which answers are right. Finished models are measured in worker processes instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tierchat.pocket.recipe import model, tokenizer
from tierchat.pocket.recipe.dataset import Encoder


@dataclass(frozen=True)
class Reply:
    """What a model answers when it must not escalate, and how much it wished to escalate.

    `answer` is None where the tokens ran out. `min_logprob` is that of the least certain token.
    """

    answer: str | None
    escalate_probability: float
    min_logprob: float
    num_prompt_tokens: int
    num_generated_tokens: int


def answer_all(
    net: model.Llama, encoder: Encoder, prompts: Sequence[str], max_tokens: int, batch: int = 192
) -> list[Reply]:
    """Answer every prompt greedily with the escalate token forbidden; replies keep their order."""
    encoded = [encoder.prompt(prompt) for prompt in prompts]
    # Prompts of similar length share a batch, padded on the left to the longest.
    by_length = sorted(range(len(prompts)), key=lambda index: len(encoded[index]))
    replies: dict[int, Reply] = {}
    for start in range(0, len(by_length), batch):
        part = by_length[start : start + batch]
        done = _answer_batch(net, encoder, [encoded[i] for i in part], max_tokens)
        replies.update(zip(part, done, strict=True))
    return [replies[index] for index in range(len(prompts))]


@torch.inference_mode()
def _answer_batch(
    net: model.Llama, encoder: Encoder, prompts: list[list[int]], max_tokens: int
) -> list[Reply]:
    num, length = len(prompts), max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[tokenizer.END] * (length - len(p)) + p for p in prompts])
    padding = torch.tensor([length - len(p) for p in prompts])
    caches: list[list[Tensor]] = [[] for _ in net.blk]
    cos, sin = model.rotations(length + max_tokens)
    logits = _step(net, ids, 0, padding, cos, sin, caches)
    wish = logits.softmax(-1)[:, tokenizer.ESCALATE].tolist()
    # Rows of the chats that are not finished; a finished chat leaves the batch and its caches.
    alive = torch.arange(num)
    written: list[list[int]] = [[] for _ in range(num)]
    least, finished = [0.0] * num, [False] * num
    for step in range(max_tokens):
        logits[:, tokenizer.ESCALATE] = -torch.inf
        best, chosen = logits.log_softmax(-1).max(-1)
        for row, token, logprob in zip(alive.tolist(), chosen.tolist(), best.tolist(), strict=True):
            written[row].append(token)
            least[row] = min(least[row], logprob)
            finished[row] = token == tokenizer.END
        going = chosen != tokenizer.END
        if not going.any():
            break
        if not going.all():
            alive, chosen = alive[going], chosen[going]
            caches = [[k[going], v[going]] for k, v in caches]
        logits = _step(net, chosen[:, None], length + step, padding[alive], cos, sin, caches)
    return [
        Reply(
            _visible(encoder, written[i]) if finished[i] else None,
            wish[i],
            least[i],
            len(prompts[i]),
            len(written[i]),
        )
        for i in range(num)
    ]


def _step(
    net: model.Llama,
    ids: Tensor,
    past: int,
    padding: Tensor,
    cos: Tensor,
    sin: Tensor,
    caches: list[list[Tensor]],
) -> Tensor:
    """Run new tokens after `past` cached ones; returns the last position's logits."""
    num, time = ids.shape
    x = net.token_embd(ids)
    columns = torch.arange(past + time)
    positions = (columns[None, past:] - padding[:, None]).clamp(min=0)
    rope = cos[positions][:, None], sin[positions][:, None]
    mask = (columns[None, :] <= columns[past:, None])[None] & (columns >= padding[:, None])[:, None]
    # A padded position sees only itself, so that no row of the softmax is empty.
    mask = (mask | (columns[None, :] == columns[past:, None])[None])[:, None]
    for block, cache in zip(net.blk, caches, strict=True):
        assert isinstance(block, model.Block)
        qkv = block.attn_qkv(block.attn_norm(x)).view(num, time, 3, -1, model.HEAD_SIZE)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        q, k = model.rotate(q, *rope), model.rotate(k, *rope)
        if cache:
            k, v = torch.cat((cache[0], k), 2), torch.cat((cache[1], v), 2)
        cache[:] = [k, v]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + block.attn_output(mixed.transpose(1, 2).reshape(num, time, -1))
        gate, up = block.ffn_gate_up(block.ffn_norm(x)).chunk(2, -1)
        x = x + block.ffn_down(F.silu(gate) * up)
    logits: Tensor = F.linear(net.output_norm(x[:, -1]), net.token_embd.weight)
    return logits


def _visible(encoder: Encoder, ids: list[int]) -> str:
    if tokenizer.END_THINK in ids:
        ids = ids[ids.index(tokenizer.END_THINK) + 1 :]
    return encoder.decode([i for i in ids if i >= len(tokenizer.SPECIALS)])
