"""Corrupted checkpoints: an error with exit code 2, or the very same model; never a traceback, never another model."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights import load_checkpoint
from tests.evit_mobile.models.test_weights_upstream import read, upstream_state
from tests.oracles import randomise, timm_model

State = dict[str, Tensor]

SOURCES = ("timm.m0", "timm.b0", "msra.efficientvit_m0", "msra.efficientvit_m0.fused", "mit.efficientvit_b0")


@lru_cache(maxsize=len(SOURCES))
def sound(source: str) -> State:
    """A sound checkpoint of one origin with few classes."""
    if source.startswith("timm"):
        name = source.replace("timm.", "efficientvit_")
        return dict(randomise(timm_model(name, num_classes=3)).state_dict())
    state = upstream_state(read(source))
    return {key: tensor[:3].clone() if tensor.shape[:1] == (1000,) else tensor for key, tensor in state.items()}


@lru_cache(maxsize=len(SOURCES))
def loaded(source: str) -> State:
    """What the sound checkpoint loads as."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        torch.save(sound(source), path)
        return dict(load_checkpoint(path).module.state_dict())


def drop(state: State, key: str, _rng: random.Random) -> State:
    return {other: tensor for other, tensor in state.items() if other != key}


def rename(state: State, key: str, rng: random.Random) -> State:
    """To a name of nobody, that of another key with a slip, or that of a folded norm."""
    parts = key.split(".")
    slip = key[:-2] + key[-1]
    other = rng.choice([*state]) + "_"
    new = rng.choice(
        [f"{key}_old", slip, ".".join(parts[1:]), ".".join([*parts[:-2], parts[-1]]), other, "module." + key]
    )
    return {new if name == key else name: tensor for name, tensor in state.items()}


def reshape(state: State, key: str, rng: random.Random) -> State:
    """Another shape: flat, with one entry more or less, transposed, or with a dimension more."""
    tensor = state[key]
    if tensor.ndim == 0:
        return {**state, key: tensor.view(1)}
    padding = [0] * (2 * tensor.ndim)
    padding[rng.randrange(tensor.ndim) * 2 + 1] = rng.choice([-1, 1, 3])
    changes: list[Callable[[], Tensor]] = [
        lambda: tensor.flatten(),
        lambda: torch.nn.functional.pad(tensor, padding),
        lambda: tensor.transpose(0, -1).contiguous(),
        lambda: tensor[None],
        lambda: tensor[..., None],
        lambda: tensor[:0],
        lambda: tensor.flatten()[:1],
    ]
    return {**state, key: rng.choice(changes)()}


def poison(state: State, key: str, rng: random.Random) -> State:
    """NaN, infinity or, for a variance, a negative value, somewhere in the tensor."""
    tensor = state[key].clone()
    if tensor.is_floating_point():
        values = [float("nan"), float("inf"), -float("inf")] + [-0.1] * key.endswith("running_var")
        tensor.view(-1)[rng.randrange(tensor.numel())] = rng.choice(values)
    return {**state, key: tensor}


def retype(state: State, key: str, rng: random.Random) -> State:
    """Integers, complex numbers or booleans in place of floats, or floats in place of a count."""
    return {**state, key: state[key].to(rng.choice([torch.int32, torch.int64, torch.bool, torch.uint8, torch.float16]))}


KEY_CORRUPTIONS = (drop, rename, reshape, poison, retype)


def truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def scribble(content: bytes, rng: random.Random) -> bytes:
    """Up to eight bytes overwritten; often in the structure at either end."""
    spoilt = bytearray(content)
    for _ in range(rng.randrange(1, 9)):
        ends = rng.choice([(0, len(spoilt)), (0, 20_000), (len(spoilt) - 20_000, len(spoilt))])
        spoilt[rng.randrange(*ends)] = rng.randrange(256)
    return bytes(spoilt)


BYTE_CORRUPTIONS = (truncate, scribble)


def serialise(state: State, rng: random.Random) -> tuple[bytes, str]:
    """As torch.save or safetensors would, with a suffix."""
    if rng.random() < 0.5:
        return safetensors.torch.save({key: tensor.contiguous() for key, tensor in state.items()}), ".safetensors"
    buffer = io.BytesIO()
    torch.save(rng.choice([state, {"state_dict": state}, {"model": state}]), buffer)
    return buffer.getvalue(), ".pt"


def check(source: str, corruption: Callable[..., object], seed: int) -> None:
    """Loads one corrupted checkpoint."""
    rng = random.Random(seed)
    state = sound(source)
    if corruption in KEY_CORRUPTIONS:
        state = corruption(state, rng.choice([*state]), rng)  # type: ignore[assignment]
    content, suffix = serialise(state, rng)
    if corruption in BYTE_CORRUPTIONS:
        content = corruption(content, rng)  # type: ignore[assignment]
    found = outcome(content, suffix)
    if isinstance(found, CheckpointError):
        assert found.exit_code == 2
        assert "Traceback" not in str(found)
    elif suffix == ".safetensors" and corruption is scribble:
        assert same_but_for_values(found, loaded(source))
    else:
        assert same(found, loaded(source), corruption)


def check_many(source: str, corruption: Callable[..., object], seeds: range) -> None:
    for seed in seeds:
        check(source, corruption, seed)


def outcome(content: bytes, suffix: str) -> State | CheckpointError:
    """What a file with this content loads as, or the error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"weights{suffix}"
        path.write_bytes(content)
        try:
            return dict(load_checkpoint(path).module.state_dict())
        except CheckpointError as error:
            return error


def same(found: State, expected: State, corruption: Callable[..., object]) -> bool:
    """Whether two state dicts are one model; counts of batches have no part in it, and `retype` may round."""
    tolerance = 1e-3 if corruption is retype else 0.0
    return found.keys() == expected.keys() and all(
        torch.allclose(tensor, expected[key], rtol=tolerance, atol=tolerance)
        for key, tensor in found.items()
        if not key.endswith("num_batches_tracked")
    )


def same_but_for_values(found: State, expected: State) -> bool:
    """safetensors has no checksum: a byte overwritten among the values gives a finite other value."""
    return found.keys() == expected.keys() and all(found[key].shape == expected[key].shape for key in found)


cases = st.tuples(
    st.sampled_from(SOURCES), st.sampled_from([*KEY_CORRUPTIONS, *BYTE_CORRUPTIONS]), st.integers(0, 2**32)
)


@pytest.mark.parametrize(
    "source", [pytest.param(one, marks=pytest.mark.slow) if one.startswith("timm") else one for one in SOURCES]
)
def test_a_lost_key_of_the_head_is_no_head_of_ones_own(source: str, tmp_path: Path) -> None:
    state = sound(source)
    keys = [key for key in state if key.startswith("head.") and not key.endswith("num_batches_tracked")]
    assert keys
    for key in keys:
        torch.save({name: tensor for name, tensor in state.items() if name != key}, tmp_path / "weights.pth")
        with pytest.raises(CheckpointError, match="head"):
            load_checkpoint(tmp_path / "weights.pth")
    counts = [key for key in state if key.endswith("num_batches_tracked")]
    if counts:
        stray = {f"stray.{counts[0]}" if key == counts[0] else key: tensor for key, tensor in state.items()}
        torch.save(stray, tmp_path / "weights.pth")
        with pytest.raises(CheckpointError, match="stray"):
            load_checkpoint(tmp_path / "weights.pth")


@settings(max_examples=20)
@given(case=cases)
def test_corrupted_checkpoints_are_refused_or_the_same_model(case: tuple[str, Callable[..., object], int]) -> None:
    check(*case)


@pytest.mark.slow
@settings(max_examples=500)
@given(case=cases)
def test_500_corrupted_checkpoints(case: tuple[str, Callable[..., object], int]) -> None:
    check(*case)


@pytest.mark.parametrize(
    ("corruption", "blinded"),
    [(poison, "assemble.math.isfinite"), (drop, "match.Match.faults"), (rename, "match.Match.faults")],
)
def test_a_loader_without_its_checks_is_caught(
    corruption: Callable[..., object], blinded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: with one check blinded, some of the corruptions get through and the property fails."""
    loaded("timm.b0")
    blind = (lambda _: True) if "isfinite" in blinded else 0
    monkeypatch.setattr(f"evit_mobile.models.weights.{blinded}", blind)
    with pytest.raises((AssertionError, KeyError)):
        check_many("timm.b0", corruption, range(20))
