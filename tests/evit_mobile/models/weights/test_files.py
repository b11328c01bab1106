"""Files that are damaged, foreign or hostile: each a CheckpointError with the way out, in bounded memory."""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights import load_checkpoint
from evit_mobile.models.weights.files import HARMLESS_NAMES, scan_pickle
from tests.evit_mobile.models.test_weights_upstream import read, upstream_state
from tests.oracles import randomise, timm_model

StateDict = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> StateDict:
    return dict(randomise(timm_model("efficientvit_b0", num_classes=3)).state_dict())


@pytest.fixture
def path(state: StateDict, tmp_path: Path) -> Path:
    torch.save(state, tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def refused(path: Path, match: str) -> CheckpointError:
    with pytest.raises(CheckpointError, match=match) as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == 2
    assert caught.value.do
    return caught.value


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], **options: Any) -> Path:
    """A copy of an archive with each record passed through `change`; None drops it."""
    target = path.with_name("rewritten.pt")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", **options) as copy:
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                copy.writestr(name, content)
    return target


def test_an_untouched_copy_loads(path: Path) -> None:
    assert load_checkpoint(rewritten(path, lambda _, content: content)).spec.name == "efficientvit_b0"


def test_the_digest_is_that_of_the_file(path: Path) -> None:
    assert load_checkpoint(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


# ---- code ----


class Evil:
    """Would create a folder when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_code_in_a_checkpoint_never_runs(state: StateDict, tmp_path: Path) -> None:
    torch.save({"state_dict": state, "extra": Evil(tmp_path / "marker")}, tmp_path / "evil.pt")
    assert "safetensors" in refused(tmp_path / "evil.pt", "would call .*mkdir").do
    assert not (tmp_path / "marker").exists()


def test_a_pickled_model_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.save(timm_model("efficientvit_b0"), tmp_path / "model.pt")
    assert "safetensors" in refused(tmp_path / "model.pt", "unpickling would call").do


@pytest.mark.parametrize("protocol", [2, 4])
def test_the_format_of_old_torch_is_refused_with_the_way_out(state: StateDict, tmp_path: Path, protocol: int) -> None:
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert "safetensors" in refused(tmp_path / "old.pth", r"torch before 1\.6").do
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": 1}, protocol=protocol))
    refused(tmp_path / "plain.pkl", "a pickle")


def test_harmless_names_are_allowed_by_torch_too(state: StateDict, tmp_path: Path) -> None:
    """Everything a training script keeps beside its weights without needing code."""
    extras = {
        "args": argparse.Namespace(lr=0.1, device="cuda"),
        "set": {1, 2},
        "counter": collections.Counter("aab"),
        "ordered": collections.OrderedDict(a=1),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "dtype": torch.float16,
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "types": [torch.ones(2, dtype=d) for d in (torch.float64, torch.half, torch.bfloat16, torch.int32, torch.bool)],
        "big": 2**40,
        "text": "é",
    }
    torch.save({"state_dict": state, **extras}, tmp_path / "full.pt")
    assert load_checkpoint(tmp_path / "full.pt").spec.name == "efficientvit_b0"


@pytest.mark.parametrize(
    "name", ["builtins.bytearray", "_codecs.encode", "torch.storage.UntypedStorage", "torch.Tensor"]
)
def test_calls_that_allocate_at_will_are_not_harmless(name: str) -> None:
    """weights_only of torch.load allows them."""
    assert name not in HARMLESS_NAMES


def test_a_memory_bomb_that_torch_allows_is_refused(path: Path) -> None:
    bomb = b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."  # bytearray(2**31 - 1)
    with_bomb = rewritten(path, lambda name, content: bomb if name.endswith("data.pkl") else content)
    refused(with_bomb, "would call builtins.bytearray")


# ---- sizes ----


def test_a_storage_larger_than_its_record_is_refused(tmp_path: Path) -> None:
    """torch.load maps such a file without complaint."""
    torch.save({"a": torch.ones(300)}, tmp_path / "small.pt")

    def inflate(name: str, content: bytes) -> bytes:
        return content.replace(b"M\x2c\x01tq", b"J\x00\x00\x00\x70tq") if name.endswith("data.pkl") else content

    bomb = rewritten(tmp_path / "small.pt", inflate)
    assert torch.load(bomb, mmap=True, weights_only=False)["a"].shape == (300,)
    refused(bomb, r"declares 7516192768 bytes and the archive holds 1200")


def test_a_tensor_of_repeated_values_is_not_blown_up(state: StateDict, tmp_path: Path) -> None:
    """10^9 classes, all of them the same 1280 numbers of the file."""
    bomb = {**state, "head.classifier.4.weight": torch.ones(1280).expand(10**9, 1280)}
    bomb["head.classifier.4.bias"] = torch.ones(1).expand(10**9)
    torch.save(bomb, tmp_path / "bomb.pt")
    assert (tmp_path / "bomb.pt").stat().st_size < 20e6
    refused(tmp_path / "bomb.pt", r"'head.classifier.4.weight' of shape \(1000000000, 1280\) over 5120 bytes")


def test_a_compressed_archive_is_refused(path: Path) -> None:
    refused(rewritten(path, lambda _, content: content, compression=zipfile.ZIP_DEFLATED), "compressed")


def test_a_huge_pickle_is_refused(path: Path) -> None:
    padded = rewritten(path, lambda name, c: c + bytes(9 << 20) if name.endswith("data.pkl") else c)
    refused(padded, "larger than 8388608 bytes")


@pytest.mark.parametrize("kept", [0, 1, 7, 100, 5_000, 0.5, 0.99])
def test_truncated_files_are_refused(kept: float, state: StateDict, path: Path) -> None:
    safetensors.torch.save_file(state, path.with_suffix(".safetensors"))
    for file in (path, path.with_suffix(".safetensors")):
        content = file.read_bytes()
        file.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
        refused(file, "allowed: a .safetensors file, or a file written by torch.save")


def test_a_flipped_bit_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(path, "does not match its checksum")


@pytest.mark.parametrize(
    ("shape", "offsets", "dtype"),
    [
        ([2**40, 2**40], [0, 8], "F32"),
        ([2**31], [0, 2**33], "F32"),
        ([2], [0, 4], "F32"),
        ([2], [4, 12], "F32"),
        ([2], [0, 8], "X99"),
        ([-2], [0, 8], "F32"),
    ],
)
def test_safetensors_headers_that_lie_are_refused(
    shape: list[int], offsets: list[int], dtype: str, tmp_path: Path
) -> None:
    header = json.dumps({"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode()
    (tmp_path / "bomb.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    refused(tmp_path / "bomb.safetensors", "no sound safetensors file")


def test_a_safetensors_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    refused(tmp_path / "bomb.safetensors", "no sound safetensors file")


# ---- values ----


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", ["stem.in_conv.conv.weight", "stages.2.blocks.0.main.point_conv.norm.running_mean"])
def test_values_that_are_not_finite_are_refused(key: str, value: float, state: StateDict, tmp_path: Path) -> None:
    spoilt = state[key].clone()
    spoilt.view(-1)[-1] = value
    torch.save({**state, key: spoilt}, tmp_path / "weights.pt")
    refused(tmp_path / "weights.pt", f"{key!r} with NaN or infinite values")


def test_values_beyond_fp32_are_refused(state: StateDict, tmp_path: Path) -> None:
    key = "stem.in_conv.conv.weight"
    torch.save({**state, key: state[key].double() * 1e300}, tmp_path / "weights.pt")
    refused(tmp_path / "weights.pt", "with NaN or infinite values")


def test_negative_variances_are_refused(state: StateDict, tmp_path: Path) -> None:
    key = "stem.in_conv.norm.running_var"
    torch.save({**state, key: state[key] - 2}, tmp_path / "weights.pt")
    refused(tmp_path / "weights.pt", f"{key!r} with negative variances")


@pytest.mark.parametrize("change", [Tensor.int, Tensor.to_sparse, lambda t: t.to(torch.complex64)])
def test_tensors_that_are_not_dense_floats_are_refused(
    change: Callable[[Tensor], Tensor], state: StateDict, tmp_path: Path
) -> None:
    torch.save(
        {**state, "stem.in_conv.conv.weight": change(state["stem.in_conv.conv.weight"])}, tmp_path / "weights.pt"
    )
    refused(tmp_path / "weights.pt", r"of type torch\.int32|unpickling would call|unknown kind")


def test_classes_that_contradict_each_other_are_refused(state: StateDict, tmp_path: Path) -> None:
    torch.save({**state, "head.classifier.4.bias": torch.zeros(4)}, tmp_path / "weights.pt")
    refused(tmp_path / "weights.pt", "3 classes in .* and 4 in")


# ---- keys ----


def test_missing_and_surplus_keys_are_named_with_the_nearest(state: StateDict, tmp_path: Path) -> None:
    renamed = {k.replace("stages.2.blocks.1.context", "stages.2.blocks.1.contxt"): t for k, t in state.items()}
    torch.save(renamed, tmp_path / "weights.pt")
    error = refused(tmp_path / "weights.pt", "nearest to efficientvit_b0")
    assert "'stages.2.blocks.1.context_module.main.qkv.conv.weight', nearest in the file" in error.got
    assert "'stages.2.blocks.1.contxt_module.main.qkv.conv.weight'" in error.got


def test_keys_are_named_as_the_origin_names_them(tmp_path: Path) -> None:
    for record, key in (
        ("mit.efficientvit_b0", "backbone.input_stem.op_list.1.main.depth_conv.norm.bias"),
        ("msra.efficientvit_m0.fused", "blocks2.1.conv1.bias"),
        ("msra.efficientvit_m0", "blocks3.5.ffn1.m.pw2.c.weight"),
    ):
        state = upstream_state(read(record))
        del state[key]
        torch.save(state, tmp_path / "weights.pt")
        refused(tmp_path / "weights.pt", f"1 missing \\('{key}'")


def test_misshapen_keys_show_both_shapes(state: StateDict, tmp_path: Path) -> None:
    torch.save({**state, "stem.in_conv.conv.weight": torch.zeros(8, 3, 5, 5)}, tmp_path / "weights.pt")
    refused(tmp_path / "weights.pt", r"is \(8, 3, 5, 5\) in place of \(8, any, 3, 3\)")


# ---- what is no checkpoint ----


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "0 bytes of no weights format"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"just some text, long enough", "27 bytes of no weights format"),
        (b"PK\x03\x04 but no archive", "damaged or foreign archive"),
    ],
)
def test_other_files_are_named_for_what_they_are(content: bytes, match: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    refused(tmp_path / "weights.pth", match)


def test_absent_files_and_folders_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "absent.pt", "cannot be read: No such file")
    refused(tmp_path, "folder")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([1, 2], "holds a list"),
        (torch.ones(3), "holds a Tensor"),
        ({}, "nothing in it"),
        ({"epoch": 3, "weights": {}}, "'epoch', 'weights'"),
        ({"state_dict": {}}, "a checkpoint with 'state_dict'"),
        ({"a": torch.ones(2)}, "1 tensors, 'a'"),
    ],
)
def test_files_without_a_network_are_refused(content: Any, match: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pt")
    refused(tmp_path / "weights.pt", match)


def test_archives_of_other_programs_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", a=np.zeros(3))
    refused(tmp_path / "weights.npz", "no data.pkl")
    module = torch.nn.Linear(2, 2)
    torch.jit.save(torch.jit.script(module), tmp_path / "scripted.pt")
    refused(tmp_path / "scripted.pt", "a TorchScript program")
    torch.export.save(torch.export.export(module, (torch.zeros(1, 2),)), tmp_path / "exported.pt2")
    refused(tmp_path / "exported.pt2", r"a program of torch\.export")


def test_the_scan_sees_what_torch_saves(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3), "b": [torch.zeros(2, 2, dtype=torch.int64)]}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        scan = scan_pickle(archive.read("x/data.pkl"))
    assert scan.storages == {"0": 12, "1": 32}
    assert {"torch._utils._rebuild_tensor_v2", "torch.FloatStorage", "torch.LongStorage"} <= scan.names


def test_mapped_tensors_are_not_kept(path: Path) -> None:
    """The loaded model survives the file: nothing in it is mapped."""
    module = load_checkpoint(path).module
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    path.write_bytes(bytes(path.stat().st_size))
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
