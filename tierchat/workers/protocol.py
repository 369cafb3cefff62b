"""The frames that a parent and a worker exchange: 4-byte big-endian length, one msgpack value.

Does not know sockets or processes; turns values into bytes and back.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import msgspec

from tierchat.errors import TierchatError
from tierchat.gates.order import GateOrder, Probe
from tierchat.outcomes import ScoredToken, Usage
from tierchat.tool_calls import ToolCall, ToolUse
from tierchat.types import Frozen, KvType, Message, NumLogprobs, Sampling, Stage, TokenId, Verdict
from tierchat.workers.text_orders import TextOrder, TextResult

MAX_FRAME_BYTES = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class LoadModel(Frozen, frozen=True, tag="load"):
    """First frame to a worker.

    The worker chooses what is left open: `context`, `max_sequences` and `num_threads` 0, `kv_type`
    None.
    `gpu_shares` divides the offloaded layers between GPUs; a single share means a single GPU.
    `path` is for people; where the name of the file is no text, `raw_path` holds its bytes.
    `template` is Jinja source instead of the GGUF's own, empty for no template at all; the texts
    `stop` end its turns.
    """

    name: str
    path: str
    context: int = 0
    max_sequences: int = 0
    batch_size: int = 512
    num_threads: int = 0
    gpu_layers: int = -1
    gpu_shares: tuple[float, ...] = ()
    kv_type: KvType | None = None
    use_extra_buffer_types: bool = True
    template: str | None = None
    stop: tuple[str, ...] = ()
    raw_path: bytes = b""

    @property
    def file(self) -> Path:
        """The file of the model."""
        return Path(os.fsdecode(self.raw_path) if self.raw_path else self.path)


class Generate(Frozen, frozen=True, tag="generate"):
    """Start one request; every later frame about it carries its `id`.

    `probe` asks for everything that gates are trained on, which then comes with `Finished`; the
    probabilities of the first tokens of the `watch` texts are part of it. With `is_raw` the last
    message is text to be continued, without a chat template; with `tokens` it is given as these.
    Work in the background leaves nothing in the KV cache, and its `Cancel` ends the decode under
    way. `logprobs`, `scores_prompt`, `only_reads` and `tools` are those of a `Prompt`.
    """

    id: int
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    gate: GateOrder = GateOrder()
    think: bool | None = None
    probe: bool = False
    watch: tuple[str, ...] = ()
    is_raw: bool = False
    is_background: bool = False
    tokens: tuple[TokenId, ...] = ()
    logprobs: NumLogprobs | None = None
    scores_prompt: bool = False
    only_reads: bool = False
    tools: ToolUse = ToolUse()

    @property
    def begun(self) -> str:
        """The beginning of the answer that an assistant's message at the end gives."""
        last = self.messages[-1]
        return last.content if last.role == "assistant" and not self.is_raw else ""


class Cancel(Frozen, frozen=True, tag="cancel"):
    """Stop request `id`; answered by `Finished(reason="interrupted")` unless already over.

    `at_once` does not wait for the end of the decode under way, which other requests of the worker
    then repeat.
    """

    id: int
    at_once: bool = False


class SetThreads(Frozen, frozen=True, tag="set_threads"):
    """Use at most so many threads from the next decode on: the worker's share of the cores.

    The worker never uses more than its model was loaded for.
    """

    num_threads: int


class LoadProgress(Frozen, frozen=True, tag="load_progress"):
    """A sign of life: the `share` of the weights read, 1.0 just before the first decode."""

    share: float


class ModelInfo(Frozen, frozen=True):
    """What a worker reports about the model it holds; sizes in bytes, `context` in tokens.

    `num_threads` is the most that the worker uses, however many cores are free.
    `gpu_bytes` is how much free GPU memory shrank while the model was loaded, as the driver
    reports it. It leaves out the driver context of the process (518 MiB on an H100).
    `template_limits` says what the chat template cannot do; `example` is a conversation as the
    model reads it. Both are empty without a template.
    """

    name: str
    architecture: str
    parameters: int
    size_bytes: int
    context: int
    vocabulary_size: int
    escalate_token: int | None = None
    escalate_threshold: float | None = None
    answer_threshold: float | None = None
    quantisation: str = ""
    template_sha256: str = ""
    template_limits: tuple[str, ...] = ()
    example: str = ""
    is_gpu_offloaded: bool = False
    uses_extra_buffer_types: bool = True
    num_threads: int = 1
    gpu_bytes: int = 0


class Loaded(Frozen, frozen=True, tag="loaded"):
    info: ModelInfo


class LoadFailed(Frozen, frozen=True, tag="load_failed"):
    """The model does not load; `code` is one of `errors`. The worker exits after this frame."""

    code: str
    message: str
    hint: str = ""


class Progress(Frozen, frozen=True, tag="progress"):
    """A sign of life: `computed` of the prompt's `total` tokens are in the KV cache.

    `generated` tokens were written in `seconds`.
    """

    id: int
    computed: int
    total: int
    generated: int = 0
    seconds: float = 0.0


class Delta(Frozen, frozen=True, tag="delta"):
    """Text that has passed the gate; exactly one of `answer` and `thought` is non-empty.

    `logprobs` are those of the tokens that begin in this text, if the request asked for them.
    """

    id: int
    answer: str = ""
    thought: str = ""
    logprobs: tuple[ScoredToken, ...] = ()


class Scored(Frozen, frozen=True, tag="scored"):
    """The tokens of the prompt and their log-probabilities, if the request asked for them."""

    id: int
    tokens: tuple[ScoredToken, ...]


class Called(Frozen, frozen=True, tag="called"):
    """A call of a tool that was checked and may be shown, the answer's call number `index`."""

    id: int
    index: int
    call: ToolCall


class Escalated(Frozen, frozen=True, tag="escalated"):
    """The request goes up; `draft` is the text that was written and kept back.

    `cut` says what ended the draft before it was whole, if that was no gate: `repetition`,
    `garbage`, `grammar` or `form`. `unfit` says why the draft is not what was asked for: it is not
    of the form, or does not fit the schema (`is_misfit`). `logprobs` are those of the draft.
    """

    id: int
    stage: Stage
    verdict: Verdict
    usage: Usage
    draft: str = ""
    cut: str = ""
    unfit: str = ""
    is_misfit: bool = False
    logprobs: tuple[ScoredToken, ...] = ()


class Finished(Frozen, frozen=True, tag="finished"):
    """The request is over; the reason `repetition` means that the detector stopped it.

    With the reason `misfit`, `misfit` says why the answer does not fit its schema; `unfit` says
    why it is not of the form that was asked for. The reason `broken_call` means that a call of
    a tool cannot be read or does not fit, as `unfit` says. `stopped_by` is the stop string that
    was found. `notices` are for the user. `verdict` is the gate's last one, with the estimates
    for `--explain`; it does not escalate. `probe` comes if the request asked for it.
    """

    id: int
    reason: str
    usage: Usage
    verdict: Verdict | None = None
    probe: Probe | None = None
    misfit: str = ""
    unfit: str = ""
    notices: tuple[str, ...] = ()
    stopped_by: str = ""


class Failed(Frozen, frozen=True, tag="failed"):
    """The request could not be served; `code` is one of `errors`. The worker goes on.

    `context_length_exceeded` carries the counted prompt in `usage.prompt_tokens`; `param` names the
    field of a request that is wrong.
    """

    id: int
    code: str
    message: str
    hint: str = ""
    usage: Usage = Usage()
    param: str | None = None


RequestOrder = Generate | TextOrder
ToWorker = LoadModel | RequestOrder | Cancel | SetThreads
RequestEvent = Progress | Delta | Called | Scored | Escalated | Finished | Failed | TextResult
FromWorker = LoadProgress | Loaded | LoadFailed | RequestEvent


class FrameTooLarge(TierchatError):
    """A frame over `MAX_FRAME_BYTES`: the stream is broken, the peer must be dropped."""

    code = "frame_too_large"


def encode(frame: ToWorker | FromWorker) -> bytes:
    """Return the frame as bytes ready for the wire, length included."""
    return pack(frame)


def pack(frame: msgspec.Struct) -> bytes:
    """Return any struct as `FrameReader` reads it."""
    body = msgspec.msgpack.encode(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise FrameTooLarge(f"a frame of {len(body)} bytes exceeds {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a byte stream back into the frames of one direction."""

    def __init__(self, kind: object) -> None:
        self._decoder: msgspec.msgpack.Decoder[object] = msgspec.msgpack.Decoder(kind)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[object]:
        """Add bytes and return the frames now complete.

        Raises FrameTooLarge or msgspec.ValidationError when the stream is broken.
        """
        self._buffer += data
        frames: list[object] = []
        while len(self._buffer) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._buffer)
            if size > MAX_FRAME_BYTES:
                raise FrameTooLarge(f"a frame of {size} bytes exceeds {MAX_FRAME_BYTES}")
            end = _LENGTH.size + size
            if len(self._buffer) < end:
                break
            frames.append(self._decoder.decode(bytes(self._buffer[_LENGTH.size : end])))
            del self._buffer[:end]
        return frames
