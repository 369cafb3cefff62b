"""How a tier draws tokens, and where each value comes from.

The strongest first: the request, the tier and the model in models.toml, the file's header, the
published values of the model's family, llama.cpp's defaults. Does not know workers or prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tierchat.config.catalogue import Catalogue, FamilySpec, ModelSpec
from tierchat.errors import TierchatError
from tierchat.models.gguf.header import CheckedHeaders, GgufHeader
from tierchat.models.gguf.published_sampling import published_sampling
from tierchat.outcomes import SourcedValue
from tierchat.types import Sampling

# common_params_sampling in common/common.h of llama.cpp.
LLAMA_CPP = Sampling(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05)
# A schema is long, and nobody but the request gives one.
_UNTOLD = ("json_schema",)


@dataclass(frozen=True)
class Layer:
    """The values that one source gives."""

    source: str
    sampling: Sampling


@dataclass(frozen=True)
class Resolved:
    """The sampling in force, and the source of every value in it."""

    sampling: Sampling
    values: Mapping[str, SourcedValue]


@dataclass(frozen=True)
class SamplingSources:
    """What is known of one tier's sampling; the strongest sources first.

    `advice` are values for drawing at random, from those who do not know this very file.
    """

    written: tuple[Layer, ...]
    advice: tuple[Layer, ...]

    def resolve(self, asked: Sampling) -> Resolved:
        """Fill what a request leaves open.

        A temperature of 0 draws the likeliest token, so advice that is weaker than the source of
        that temperature is not taken.
        """
        layers = [Layer("request", asked), *self.written]
        for advice in self.advice:
            if _temperature(layers) == 0:
                break
            layers.append(advice)
        return _merged(layers)


def sources_of(
    model: str,
    spec: ModelSpec,
    families: Mapping[str, FamilySpec],
    header: GgufHeader | None,
    *,
    tier: Layer | None = None,
    think: bool | None = None,
) -> SamplingSources:
    """Collect the sources of a model, or of a tier on it; without a file there is no header."""
    own = spec.think_sampling if think else spec.sampling
    written = [*filter(None, (tier,)), Layer(f"model {model} in models.toml", own)]
    if header:
        written.append(Layer("header of the file", published_sampling(header.metadata)))
    advice = []
    family = family_of(spec, families, header)
    if family:
        found = families[family]
        best = found.think_sampling.filled(found.sampling) if think else found.sampling
        advice.append(Layer(f"family {family}", best))
    advice.append(Layer("llama.cpp's default", LLAMA_CPP))
    return SamplingSources(tuple(written), tuple(advice))


def of_model(name: str, catalogue: Catalogue, header: GgufHeader | None) -> Resolved:
    """Return how a model draws tokens where neither a request nor a tier says so."""
    sources = sources_of(name, catalogue.models[name], catalogue.families, header)
    return sources.resolve(Sampling())


class SamplingAdvice:
    """Finds how the tiers of one cascade draw tokens. Any thread may ask."""

    def __init__(
        self, catalogue: Catalogue, cascade: str, think: bool | None, headers: CheckedHeaders
    ) -> None:
        """`think` overrides that of every tier."""
        self._catalogue = catalogue
        self._headers = headers
        thinks = {tier.name: tier.think for tier in catalogue.effective(cascade, think).tiers}
        self._tiers = {
            tier.name: (tier, thinks[tier.name]) for tier in catalogue.find(cascade).tiers
        }

    def sources(self, name: str) -> SamplingSources:
        """Return the sources of a tier; may read the header of its file."""
        tier, think = self._tiers[name]
        spec = self._catalogue.models[tier.model]
        return sources_of(
            tier.model,
            spec,
            self._catalogue.families,
            header_of(spec, self._headers),
            tier=Layer(f"tier {name} in models.toml", tier.sampling),
            think=think,
        )


def header_of(spec: ModelSpec, headers: CheckedHeaders) -> GgufHeader | None:
    """Return the header of a model's file; None without a sound file, which its user will hear."""
    try:
        return headers.check(Path(spec.file))
    except TierchatError:
        return None


def family_of(
    spec: ModelSpec, families: Mapping[str, FamilySpec], header: GgufHeader | None
) -> str | None:
    """Return the family of a model: by its names in the header, its architecture, its file.

    The longest name counts, and of equal ones the last.
    """
    architecture, named = "", []
    if header:
        architecture = header.architecture
        keys = ("general.basename", "general.name")
        named = [text for text in map(header.metadata.get, keys) if isinstance(text, str)]
    by_header = _best(named, architecture, families)
    return by_header or _best((spec.repo, PurePath(spec.file).stem), "", families)


def _best(
    texts: Iterable[str], architecture: str, families: Mapping[str, FamilySpec]
) -> str | None:
    best, length = None, 0
    for name, family in families.items():
        by_architecture = 1 if architecture in family.architectures else 0
        found = max(*_lengths_of_names(family, texts), by_architecture, 0)
        if found and found >= length:
            best, length = name, found
    return best


def _lengths_of_names(family: FamilySpec, texts: Iterable[str]) -> Iterator[int]:
    for name in family.names:
        # "qwen-2.5" is in Qwen2.5 and Qwen_2.5-Coder, and neither in Qwen2.51 nor in MyQwen2.5.
        parts = r"[-_ ]?".join(map(re.escape, name.split("-")))
        pattern = re.compile(rf"(?<![^\W_]){parts}(?!\d|\.\d)", re.IGNORECASE)
        if any(pattern.search(text) for text in texts):
            yield len(name)


def _temperature(layers: Iterable[Layer]) -> float | None:
    given = (layer.sampling.temperature for layer in layers)
    return next((value for value in given if value is not None), None)


def by_source(values: Mapping[str, SourcedValue]) -> dict[str, dict[str, Any]]:
    """Group values by their source."""
    groups: dict[str, dict[str, Any]] = {}
    for field, value in values.items():
        groups.setdefault(value.source, {})[field] = value.value
    return groups


def _merged(layers: Iterable[Layer]) -> Resolved:
    values: dict[str, SourcedValue] = {}
    sampling = Sampling()
    for layer in layers:
        sampling = sampling.filled(layer.sampling)
        for field, value in layer.sampling.given().items():
            if field not in values and field not in _UNTOLD:
                values[field] = SourcedValue(value=value, source=layer.source)
    return Resolved(sampling, values)
