"""Where a tier's sampling comes from: request, models.toml, header, family, llama.cpp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest

from tests.models.test_gguf_header import write
from tierchat.config.catalogue import Catalogue, FamilySpec, ModelSpec
from tierchat.config.catalogue_files import load_catalogue
from tierchat.models.gguf.header import CheckedHeaders, read_header
from tierchat.models.gguf.published_sampling import published_sampling
from tierchat.models.sampling import LLAMA_CPP, Layer, family_of, of_model, sources_of
from tierchat.paths import find_paths
from tierchat.types import Sampling


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return load_catalogue(find_paths({"TIERCHAT_HOME": str(tmp_path_factory.mktemp("home"))}))


def sampling_keys(writer: gguf.GGUFWriter) -> None:
    keys = gguf.Keys.General
    writer.add_float32(keys.SAMPLING_TEMP, 0.7)
    writer.add_int32(keys.SAMPLING_TOP_K, 20)
    writer.add_float32(keys.SAMPLING_TOP_P, 0.8)
    writer.add_float32(keys.SAMPLING_MIN_P, 0)
    writer.add_float32(keys.SAMPLING_XTC_PROBABILITY, 0.1)
    writer.add_float32(keys.SAMPLING_XTC_THRESHOLD, 0.2)
    writer.add_int32(keys.SAMPLING_PENALTY_LAST_N, 128)
    writer.add_float32(keys.SAMPLING_PENALTY_REPEAT, 1.1)
    writer.add_int32(keys.SAMPLING_MIROSTAT, 2)
    writer.add_float32(keys.SAMPLING_MIROSTAT_TAU, 4)
    writer.add_float32(keys.SAMPLING_MIROSTAT_ETA, 0.3)
    writer.add_string(keys.SAMPLING_SEQUENCE, "top_k;typical_p;infill;temperature")


def test_a_header_says_all_that_llama_cpp_reads_from_it(tmp_path: Path) -> None:
    header = read_header(write(tmp_path / "m.gguf", sampling_keys))
    assert published_sampling(header.metadata) == Sampling(
        temperature=0.7,
        top_k=20,
        top_p=0.8,
        min_p=0,
        xtc_probability=0.1,
        xtc_threshold=0.2,
        repeat_last_n=128,
        repeat_penalty=1.1,
        mirostat=2,
        mirostat_tau=4,
        mirostat_eta=0.3,
        samplers=("top_k", "typ_p", "temperature"),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.25", 0.25),
        (1, 1.0),
        ("hot", None),
        (float("nan"), None),
        (float("inf"), None),
        (-1.0, None),
        (True, None),
        ((1, 2), None),
    ],
)
def test_a_value_of_a_header_that_cannot_be_used_is_passed_over(
    value: Any, expected: float | None
) -> None:
    found = published_sampling({"general.sampling.temp": value, "general.sampling.top_k": 7})
    assert found == Sampling(temperature=expected, top_k=7)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("SmolLM2 135M Instruct", "smollm2"),
        ("Smollm2 135M 8k Lc100K Mix1 Ep2", "smollm2"),
        ("SmolLM3-3B", "smollm3"),
        ("Qwen2.5-Coder", "qwen2.5"),
        ("Qwen2 7B Instruct", "qwen2"),
        ("Qwen3-0.6B", "qwen3"),
        ("Qwen3.5 4B", "qwen3.5"),
        ("Qwen 3 8B", "qwen3"),
        ("Meta-Llama-3.1-8B-Instruct", "llama3"),
        ("Llama-3.2-1B", "llama3"),
        ("llama3-8b", "llama3"),
        ("gemma-3-270m", "gemma3"),
        ("Gemma 3n E2B", "gemma3"),
        ("DeepSeek R1 0528 Qwen3 8B", "deepseek-r1"),
        ("Mistral-Small-3.2-24B-Instruct", "mistral-small"),
        ("Phi 4 mini reasoning", "phi4-reasoning"),
        ("gpt-oss-20b", "gpt-oss"),
        ("LFM2-1.2B", "lfm2"),
        # Neither other numbers nor other words.
        ("Qwen2.51", None),
        ("Qwen25", None),
        ("Llama-2-7B", None),
        ("TinyLlama-3T", None),
        ("MySmolLM2", None),
        ("", None),
    ],
)
def test_a_family_is_known_by_its_name(shipped: Catalogue, name: str, family: str | None) -> None:
    assert family_of(ModelSpec(file=f"/models/{name}.gguf"), shipped.families, None) == family


def test_a_family_is_known_by_header_before_file_and_by_name_before_architecture(
    tmp_path: Path, shipped: Catalogue
) -> None:
    def named(name: str) -> Callable[[gguf.GGUFWriter], None]:
        return lambda writer: writer.add_name(name)

    file = write(tmp_path / "qwen3-renamed.gguf", named("SmolLM2"))
    spec = ModelSpec(file=str(file))
    assert family_of(spec, shipped.families, read_header(file)) == "smollm2"
    nameless = write(tmp_path / "gemma-3.gguf", named("model"))
    spec = ModelSpec(file=str(nameless))
    assert family_of(spec, shipped.families, read_header(nameless)) == "gemma3"
    families = {"own": FamilySpec(architectures=("llama",))} | shipped.families
    assert family_of(spec, families, read_header(nameless)) == "own"
    assert family_of(ModelSpec(file=str(file)), families, read_header(file)) == "smollm2"


def test_every_family_says_where_its_values_were_published(shipped: Catalogue) -> None:
    for name, family in shipped.families.items():
        assert family.source and family.names and family.sampling.given(), name


def test_the_strongest_source_wins_value_by_value(tmp_path: Path, shipped: Catalogue) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_name("Qwen2.5 0.5B")
        writer.add_float32("general.sampling.temp", 0.3)
        writer.add_int32("general.sampling.top_k", 7)

    file = write(tmp_path / "m.gguf", change)
    spec = ModelSpec(file=str(file), sampling=Sampling(top_k=5, repeat_last_n=9))
    tier = Layer("tier S in models.toml", Sampling(repeat_last_n=3))
    sources = sources_of("mine", spec, shipped.families, read_header(file), tier=tier)
    found = sources.resolve(Sampling(seed=4, json_schema="{}"))
    assert {key: (value.value, value.source) for key, value in found.values.items()} == {
        "seed": (4, "request"),
        "repeat_last_n": (3, "tier S in models.toml"),
        "top_k": (5, "model mine in models.toml"),
        "temperature": (0.3, "header of the file"),
        "top_p": (0.8, "family qwen2.5"),
        "repeat_penalty": (1.05, "family qwen2.5"),
        "min_p": (0.05, "llama.cpp's default"),
    }
    assert {key: value.value for key, value in found.values.items()} | {
        "json_schema": "{}"
    } == found.sampling.given()


def test_an_unknown_model_is_drawn_from_as_llama_cpp_draws(tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf")
    catalogue = Catalogue(models={"mine": ModelSpec(file=str(file))})
    assert of_model("mine", catalogue, read_header(file)).sampling == LLAMA_CPP


def test_a_temperature_of_0_is_the_likeliest_token_and_takes_no_advice(
    tmp_path: Path, shipped: Catalogue
) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        writer.add_name("Qwen2.5 0.5B")
        writer.add_float32("general.sampling.penalty_repeat", 1.5)

    file = write(tmp_path / "m.gguf", change)
    plain = sources_of("m", ModelSpec(file=str(file)), shipped.families, read_header(file))
    # llama.cpp obeys the header of a file at any temperature.
    expected = Sampling(temperature=0, repeat_penalty=1.5)
    assert plain.resolve(Sampling(temperature=0)).sampling == expected
    written = ModelSpec(file="qwen2.5.gguf", sampling=Sampling(temperature=0, top_k=3))
    sources = sources_of("m", written, shipped.families, None)
    assert sources.resolve(Sampling()).sampling == Sampling(temperature=0, top_k=3)
    assert sources.resolve(Sampling(temperature=1)).sampling.repeat_penalty == 1.05


def test_a_thinking_tier_gets_the_values_for_thinking(shipped: Catalogue) -> None:
    spec = ModelSpec(file="Qwen3-4B.gguf")
    temperatures = [
        sources_of("m", spec, shipped.families, None, think=think).resolve(Sampling()).sampling
        for think in (None, False, True)
    ]
    assert [found.temperature for found in temperatures] == [0.7, 0.7, 0.6]


def test_the_bundled_models_stay_greedy_wherever_their_files_lie(
    models_dir: Path, tmp_path: Path, shipped: Catalogue
) -> None:
    for name in ("pocket-xs", "pocket-s", "pocket-m"):
        copy = tmp_path / "copy.gguf"
        copy.write_bytes((models_dir / f"{name}.gguf").read_bytes())
        catalogue = Catalogue(models={"m": ModelSpec(file=str(copy))}, families=shipped.families)
        found = of_model("m", catalogue, CheckedHeaders().check(copy))
        assert found.sampling == Sampling(temperature=0)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smollm2", {"temperature": 0.2, "top_p": 0.9, "top_k": 40}),
        ("coder-0.5b", {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.05}),
        ("coder-1.5b", {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repeat_penalty": 1.05}),
        ("gemma3-base", {"temperature": 1.0, "top_p": 0.95, "top_k": 64, "min_p": 0.0}),
    ],
)
def test_published_files_are_drawn_from_as_their_publishers_say(
    real_gguf: Callable[[str], Path], shipped: Catalogue, name: str, expected: dict[str, float]
) -> None:
    file = real_gguf(name)
    catalogue = Catalogue(models={"m": ModelSpec(file=str(file))}, families=shipped.families)
    found = of_model("m", catalogue, CheckedHeaders().check(file)).sampling.given()
    assert found == {"min_p": 0.05} | expected
