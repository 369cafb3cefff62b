"""Train one model on the first mix: `python -m tierchat.pocket.recipe.train xs|s|m --out DIR`.

Does not know what the rows it trains on hold, or what a GGUF is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tierchat.pocket.recipe import model, tokenizer
from tierchat.pocket.recipe.dataset import Encoder, ProblemSource, Rows
from tierchat.pocket.recipe.first_mix import ROW_LENGTH, build_tokenizer, shards_of, weights_of

_LONGEST_STEP_S = 20.0
# The auxiliary head's weight in the loss; it reads few positions, and is easy once learned.
_AUXILIARY = 0.1


@dataclass(frozen=True)
class TrainingPlan:
    """One training run; the rate is constant for a share `constant` of it, then falls to 2 %."""

    tier: str
    minutes: float
    rate: float
    batch: int = 64
    seed: int = 0
    warmup: int = 150
    constant: float = 0.5
    beta2: float = 0.98
    weight_decay: float = 0.05


def batches(shards: Iterator[Rows], size: int, seed: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the arguments of `loss_of`, with rows shuffled within each shard."""
    rng = np.random.default_rng(seed)
    for rows in shards:
        length = rows.ids.shape[1] - 1
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        chosen = rng.permutation(len(rows.ids))
        # A batch is `size` rows of the usual length, or as many tokens in longer rows.
        num_rows = size * ROW_LENGTH // rows.ids.shape[1]
        for start in range(0, len(chosen) - num_rows + 1, num_rows):
            part = np.sort(chosen[start : start + num_rows])
            ids = torch.from_numpy(rows.ids[part].astype(np.int64))
            chats = torch.from_numpy(rows.chats[part].astype(np.int64))
            positions = torch.from_numpy(rows.positions[part].astype(np.int64))
            weights = torch.from_numpy(rows.weights[part].astype(np.float32))
            inputs = chats[:, :-1]
            mask = (inputs[:, :, None] == inputs[:, None, :]) & causal
            kinds = torch.from_numpy(rows.kinds[part].astype(np.int64))[:, :-1]
            efforts = torch.from_numpy(rows.efforts[part].astype(np.float32))[:, :-1]
            asked = ids[:, :-1], ids[:, 1:], positions[:, :-1], weights[:, 1:]
            forced = torch.from_numpy(rows.forced[part])[:, :-1]
            yield *asked, mask[:, None], kinds, efforts, forced


def rate_at(plan: TrainingPlan, share: float, step: int) -> float:
    """Return the learning rate at a share of the run."""
    fall = (
        1.0 if share < plan.constant else 1 - 0.98 * (share - plan.constant) / (1 - plan.constant)
    )
    return plan.rate * min(1.0, (step + 1) / plan.warmup) * max(0.02, fall)


def save(path: Path, net: model.Llama, facts: dict[str, Any]) -> None:
    """Write a checkpoint as npz, atomically: a crash while writing keeps the previous one."""
    part = path.with_suffix(".part.npz")
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    np.savez(part, _facts=np.array(json.dumps({**facts, "shape": asdict(net.shape)})), **arrays)
    part.replace(path)


def load(path: Path) -> tuple[model.Llama, dict[str, Any]]:
    """Read a checkpoint written by `save`."""
    with np.load(path) as stored:
        facts = json.loads(str(stored["_facts"]))
        net = model.Llama(model.Shape(**facts["shape"]))
        net.load_state_dict({n: torch.from_numpy(stored[n]) for n in stored.files if n != "_facts"})
    return net, facts


def train(
    net: model.Llama,
    plan: TrainingPlan,
    shards: Iterator[Rows],
    checkpoint: Path,
    num_kinds: int,
    compiled: bool = True,
) -> None:
    """Train for the planned minutes, with a printed line every half and a checkpoint every two.

    An auxiliary head, thrown away afterwards, predicts at every prompt's end what the prompt asks
    and how long its answer is: a gate's row reads that there, and no token teaches it.
    """
    torch.manual_seed(plan.seed)
    head = torch.nn.Linear(net.shape.width, num_kinds + 1)
    parameters = [*net.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(
        parameters,
        lr=plan.rate,
        betas=(0.9, plan.beta2),
        weight_decay=plan.weight_decay,
        fused=True,
    )
    cos, sin = model.rotations(1024)
    forbidden = 1e4 * F.one_hot(torch.tensor(tokenizer.ESCALATE), net.shape.vocab_size)

    def loss_of(
        ids: torch.Tensor,
        targets: torch.Tensor,
        positions: torch.Tensor,
        weights: torch.Tensor,
        mask: torch.Tensor,
        kinds: torch.Tensor,
        efforts: torch.Tensor,
        forced: torch.Tensor,
    ) -> torch.Tensor:
        hidden = net.hidden(ids, positions, cos, sin, mask)
        logits = net.logits(hidden).flatten(0, 1).float()
        logits = logits - forbidden * forced.flatten()[:, None]
        losses = F.cross_entropy(logits, targets.flatten(), reduction="none")
        written = (losses * weights.flatten()).sum() / weights.sum()
        guessed, is_asked = head(hidden).float(), kinds > 0
        of_kinds = F.cross_entropy(
            guessed[..., :-1].flatten(0, 1), (kinds - 1).flatten(), ignore_index=-1
        )
        errors = ((guessed[..., -1] - efforts) ** 2) * is_asked
        of_efforts = errors.sum() / is_asked.sum().clamp(min=1)
        return written + _AUXILIARY * (of_kinds + of_efforts)

    run = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    last = time.monotonic()
    busy = report = stored = 0.0
    num_tokens, recent = 0, []
    for step, batch in enumerate(batches(shards, plan.batch, plan.seed)):
        share = busy / (60 * plan.minutes)
        if share >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(plan, share, step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = run(*batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        recent.append(loss.item())
        num_tokens += batch[0].numel()
        now = time.monotonic()
        # Time spent compiling, or stopped for a while, does not count as training.
        busy += min(now - last, _LONGEST_STEP_S) if step else 0.0
        last = now
        if busy - report > 30:
            mean = sum(recent) / len(recent)
            print(
                f"step {step} share {share:.3f} loss {mean:.4f} tokens {num_tokens / 1e6:.2f}M "
                f"{num_tokens / busy:.0f}/s",
                flush=True,
            )
            report, recent = busy, []
        if busy - stored > 120:
            save(checkpoint, net, {"plan": asdict(plan), "tokens": num_tokens})
            stored = busy
    save(checkpoint, net, {"plan": asdict(plan), "tokens": num_tokens})


def main() -> None:
    """Train the first mix of one tier; --grow starts M from S."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", choices=("xs", "s", "m"))
    parser.add_argument("--out", type=Path, default=Path("pocket-run"))
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard", type=int, default=60_000, help="examples per shard")
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--constant", type=float, default=0.5)
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    parser.add_argument("--grow", type=Path, help="checkpoint to double in width first")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--focus", type=Path, help="accuracies.json: what fails is drawn more")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    vocabulary = args.out / "tokenizer.json"
    if not vocabulary.exists():
        build_tokenizer(vocabulary)
    weights = None
    if args.focus:
        weights = weights_of(json.loads(args.focus.read_text())[args.tier])
    encoder = Encoder(tokenizer.load(vocabulary), thinks=args.tier != "xs")
    source = ProblemSource("train", weights)
    torch.manual_seed(args.seed)
    if args.grow:
        net = model.widen(load(args.grow)[0], torch.Generator().manual_seed(args.seed))
    elif args.start:
        net = load(args.start)[0]
    else:
        net = model.Llama(model.shapes(tokenizer.VOCAB_SIZE)[args.tier])
    print(f"{args.tier}: {net.shape.num_parameters / 1e6:.2f}M parameters", flush=True)
    plan = TrainingPlan(
        args.tier, args.minutes, args.rate, args.batch, args.seed, args.warmup, args.constant
    )
    shards = shards_of(args.tier, encoder, source, args.seed, args.shard)
    train(net, plan, shards, args.out / f"{args.tier}.npz", encoder.num_kinds)


if __name__ == "__main__":
    main()
