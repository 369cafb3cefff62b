"""The draw of a token: llama.cpp's samplers in llama.cpp's order, made from `Sampling`.

Does not know where the values come from. The order, and what each value means, are those of
`common/sampling.cpp` in llama.cpp.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from collections.abc import Sequence as Rows
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from tierchat.engine.grammar import Grammar
from tierchat.engine.llama.context import LlamaContext
from tierchat.engine.llama.model import LlamaModel
from tierchat.engine.logits import likeliest
from tierchat.types import SAMPLERS, Sampling

Floats = npt.NDArray[np.float32]
# With fewer words, llama.cpp's own list of all tokens costs less than a search for the likeliest.
_MIN_VOCABULARY_TO_NARROW = 16_384
# Of more candidates than this, the search is no gain.
_MAX_CANDIDATES = 2048
_TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
# What llama.cpp takes where a sampler is on and its other values are left open.
_REPEAT_LAST_N = 64
_DRY_BASE = 1.75
_DRY_ALLOWED_LENGTH = 2
_DRY_BREAKERS = ("\n", ":", '"', "*")
_XTC_THRESHOLD = 0.1
_MIROSTAT_TAU = 5.0
_MIROSTAT_ETA = 0.1
_MIROSTAT_M = 100


class Sampler:
    """A sampler chain of llama.cpp; it never draws `banned` tokens.

    What `sampling` leaves open is off, and without a temperature the likeliest token is drawn.
    `history` are the tokens so far: those that penalties look back at, as far as `max_history`.
    Only the `num_candidates` likeliest tokens can be drawn; 0 where it may be any.
    """

    def __init__(
        self,
        model: LlamaModel,
        sampling: Sampling,
        banned: Rows[int] = (),
        *,
        history: Rows[int] = (),
        max_history: int = 0,
    ) -> None:
        self._model, self._sampling = model, sampling
        self._history, self._max_history = history, max_history or len(history)
        self._seed = _seed(sampling)
        # How many tokens a penalty may push down the list, at most.
        self._num_pushed = 0
        self.handle: Any = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        biased = {**(sampling.logit_bias or {}), **dict.fromkeys(banned, float("-inf"))}
        if biased:
            biases = (lib.llama_logit_bias * len(biased))()
            for index, (token, bias) in enumerate(biased.items()):
                biases[index].token, biases[index].bias = token, bias
            self._add(lib.llama_sampler_init_logit_bias(model.vocabulary_size, len(biased), biases))
        self._add_draw()
        num = self._num_drawn()
        self.num_candidates = num + len(biased) + self._num_pushed if num else 0
        if self.num_candidates > _MAX_CANDIDATES:
            self.num_candidates = 0

    def sample(self, context: LlamaContext, row: int, grammar: Grammar | None = None) -> int:
        """Draw a token from batch row `row`, one that `grammar` allows."""
        tokens = self._likeliest(context, row)
        if tokens is None and grammar is None:
            return int(lib.llama_sampler_sample(self.handle, context.handle, row))
        logits = context.logits(row)
        token = None if tokens is None else self._draw(tokens, logits[tokens])
        if grammar and (token is None or not grammar.allows(token)):
            # What a model wants is mostly allowed, so that few tokens need the list of all.
            tokens = grammar.allowed_tokens()
            token = self._draw(tokens, logits[tokens])
        assert token is not None
        if grammar:
            grammar.accept(token)
        lib.llama_sampler_accept(self.handle, token)
        return token

    def close(self) -> None:
        """Free the chain."""
        if self.handle:
            lib.llama_sampler_free(self.handle)
            self.handle = None

    def _likeliest(self, context: LlamaContext, row: int) -> npt.NDArray[np.intp] | None:
        """Return the only tokens that can be drawn, if it pays to look for them."""
        if self.num_candidates and self._model.vocabulary_size >= _MIN_VOCABULARY_TO_NARROW:
            return likeliest(context.logits(row), self.num_candidates)
        return None

    def _num_drawn(self) -> int:
        """Return how many of the likeliest tokens can be drawn, penalties aside; 0 for any."""
        sampling = self._sampling
        if _raises(sampling):
            return 0
        if not sampling.temperature:
            return 1
        # Top-nσ measures all logits, and in another order the list is not cut first.
        is_cut_first = not sampling.samplers and (sampling.top_n_sigma or 0) <= 0
        return max(sampling.top_k or 0, 0) if is_cut_first and not sampling.mirostat else 0

    def _add_draw(self) -> None:
        """Add all links after the banned tokens."""
        sampling = self._sampling
        if not sampling.temperature:
            # Cutting the list leaves the likeliest token; typical_p and XTC would take it away.
            self._penalties()
            self._dry()
            self._add(lib.llama_sampler_init_greedy())
        elif sampling.mirostat:
            self._mirostat(sampling.mirostat)
        else:
            links = self._links()
            for name in sampling.samplers or SAMPLERS:
                links[name]()
            self._add(lib.llama_sampler_init_dist(self._seed))

    def _links(self) -> dict[str, Callable[[], None]]:
        return {
            "penalties": self._penalties,
            "dry": self._dry,
            "top_n_sigma": self._top_n_sigma,
            "top_k": self._top_k,
            "typ_p": self._typical_p,
            "top_p": self._top_p,
            "min_p": self._min_p,
            "xtc": self._xtc,
            "temperature": self._temperature,
        }

    def _penalties(self) -> None:
        repeat = self._sampling.repeat_penalty
        frequency = self._sampling.frequency_penalty or 0.0
        presence = self._sampling.presence_penalty or 0.0
        if repeat in (None, 1) and not frequency and not presence:
            return
        size, last_n = self._model.vocabulary_size, self._last_n(self._sampling.repeat_last_n)
        self._add_with_history(
            lib.llama_sampler_init_penalties(
                size, last_n, 1.0 if repeat is None else repeat, frequency, presence
            ),
            last_n,
        )

    def _dry(self) -> None:
        sampling = self._sampling
        last_n = self._last_n(sampling.dry_penalty_last_n)
        if not sampling.dry_multiplier or not last_n:
            return
        breakers = sampling.dry_sequence_breakers or _DRY_BREAKERS
        texts = (ctypes.c_char_p * len(breakers))(*(text.encode() for text in breakers))
        allowed = sampling.dry_allowed_length
        self._add_with_history(
            lib.llama_sampler_init_dry(
                self._model.vocab,
                sampling.dry_multiplier,
                _DRY_BASE if sampling.dry_base is None else sampling.dry_base,
                _DRY_ALLOWED_LENGTH if allowed is None else allowed,
                last_n,
                texts,
                len(breakers),
            ),
            last_n,
        )

    def _top_n_sigma(self) -> None:
        n = self._sampling.top_n_sigma or 0.0
        if n > 0:
            self._add(lib.llama_sampler_init_top_n_sigma(n))

    def _top_k(self) -> None:
        k = self._sampling.top_k or 0
        if k > 0:
            self._add(lib.llama_sampler_init_top_k(k))

    def _typical_p(self) -> None:
        p = self._sampling.typical_p
        if p is not None and p < 1:
            self._add(lib.llama_sampler_init_typical(p, 1))

    def _top_p(self) -> None:
        p = self._sampling.top_p
        if p is not None and p < 1:
            self._add(lib.llama_sampler_init_top_p(p, 1))

    def _min_p(self) -> None:
        if self._sampling.min_p:
            self._add(lib.llama_sampler_init_min_p(self._sampling.min_p, 1))

    def _xtc(self) -> None:
        sampling = self._sampling
        threshold = _XTC_THRESHOLD if sampling.xtc_threshold is None else sampling.xtc_threshold
        if sampling.xtc_probability:
            self._add(
                lib.llama_sampler_init_xtc(sampling.xtc_probability, threshold, 1, self._seed)
            )

    def _temperature(self) -> None:
        sampling = self._sampling
        exponent = 1.0 if sampling.dynatemp_exponent is None else sampling.dynatemp_exponent
        self._add(
            lib.llama_sampler_init_temp_ext(
                sampling.temperature or 0.0, sampling.dynatemp_range or 0.0, exponent
            )
        )

    def _mirostat(self, version: int) -> None:
        sampling = self._sampling
        tau = _MIROSTAT_TAU if sampling.mirostat_tau is None else sampling.mirostat_tau
        eta = _MIROSTAT_ETA if sampling.mirostat_eta is None else sampling.mirostat_eta
        self._add(lib.llama_sampler_init_temp(sampling.temperature or 0.0))
        if version == 1:
            size = self._model.vocabulary_size
            self._add(lib.llama_sampler_init_mirostat(size, self._seed, tau, eta, _MIROSTAT_M))
        else:
            self._add(lib.llama_sampler_init_mirostat_v2(self._seed, tau, eta))

    def _last_n(self, asked: int | None) -> int:
        """Return how many tokens a penalty looks back at; -1 asks for the whole context."""
        num = _REPEAT_LAST_N if asked is None else asked
        return self._max_history if num < 0 else min(num, max(self._max_history, _REPEAT_LAST_N))

    def _add_with_history(self, link: Any, last_n: int) -> None:
        if last_n:
            for token in self._history[-last_n:]:
                lib.llama_sampler_accept(link, token)
        self._num_pushed += last_n
        self._add(link)

    def _draw(self, tokens: npt.NDArray[np.intp], logits: Floats) -> int:
        """Draw one of `tokens`, which have these logits."""
        data = np.zeros(len(tokens), _TOKEN_DATA)
        data["id"], data["logit"] = tokens, logits
        candidates = lib.llama_token_data_array(
            data=ctypes.cast(data.ctypes.data, ctypes.POINTER(lib.llama_token_data)),
            size=len(data),
            selected=-1,
            sorted=False,
        )
        lib.llama_sampler_apply(self.handle, ctypes.byref(candidates))
        return int(candidates.data[candidates.selected].id)

    def _add(self, link: Any) -> None:
        lib.llama_sampler_chain_add(self.handle, link)


def _seed(sampling: Sampling) -> int:
    """Return the seed; llama.cpp takes its default as an order to choose one at random."""
    is_open = sampling.seed is None or sampling.seed < 0
    return int(lib.LLAMA_DEFAULT_SEED) if is_open else int(sampling.seed or 0)


def _raises(sampling: Sampling) -> bool:
    """Whether a token can be made likelier, so that it comes from anywhere in the list."""
    repeat = 1 if sampling.repeat_penalty is None else sampling.repeat_penalty
    return (
        repeat < 1
        or (sampling.frequency_penalty or 0) < 0
        or (sampling.presence_penalty or 0) < 0
        or any(bias > 0 for bias in (sampling.logit_bias or {}).values())
    )
