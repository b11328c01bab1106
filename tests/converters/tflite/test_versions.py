"""Versions of operations and the runtimes that first had them."""

from __future__ import annotations

import pytest

from converters.tflite.flatbuffer import OPTIONS
from converters.tflite.versions import INT8_VERSIONS, RANK_VERSIONS, RELEASES, oldest_release, oldest_runtime


def test_every_version_that_can_be_written_has_a_release() -> None:
    assert set(OPTIONS) | set(INT8_VERSIONS) <= set(RELEASES)
    for code, releases in RELEASES.items():
        assert {1, INT8_VERSIONS.get(code, 1), *RANK_VERSIONS.get(code, {}).values()} - {1} <= set(releases), code


@pytest.mark.parametrize(
    ("codes", "release", "runtime"),
    [
        ([("ADD", 1)], "1.5.0", "ai-edge-litert 1.4.0 / tflite-runtime 2.14.0"),
        ([("RESHAPE", 1), ("RSQRT", 2), ("TRANSPOSE", 6)], "2.12.0", "ai-edge-litert 1.4.0 / tflite-runtime 2.14.0"),
        ([("GELU", 1), ("LOG", 2), ("EXP", 1)], "2.15.0", "ai-edge-litert 1.4.0"),
    ],
)
def test_the_newest_operation_decides(codes: list[tuple[str, int]], release: str, runtime: str) -> None:
    assert oldest_release(codes) == release
    assert oldest_runtime(release) == runtime


def test_a_file_that_does_not_say_it_has_no_oldest_runtime() -> None:
    assert oldest_runtime(None) is None
