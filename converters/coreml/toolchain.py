"""The door to coremltools: is it usable here, importing it without its chatter, and the versions that matter."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

IMPORT_CHATTER = ("coremltools", "torchao", "torch.utils._pytree")
"""Loggers that warn, when coremltools is imported, of untested versions and of libraries that only macOS has."""

INSTALL = "pip install 'evit-mobile[coreml]'"


def missing() -> str | None:
    """None when coremltools can convert here, else what is missing and how to get it. Imports nothing heavy."""
    spec = find_spec("coremltools")
    if spec is None or not spec.submodule_search_locations:
        return f"coremltools is not installed: {INSTALL}"
    if not any(Path(spec.submodule_search_locations[0]).glob("libmilstoragepython*")):
        return "this coremltools has no weight-file library for this platform: use Linux x86-64 or macOS"
    return None


@contextmanager
def quiet(names: tuple[str, ...]) -> Iterator[None]:
    """Raises the level of the named loggers to ERROR for the time being."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@cache
def load(module: str = "coremltools") -> Any:
    """`module`, a part of coremltools, imported. Only once is it kept quiet: changing a level clears the cache of every logger there is."""
    with quiet(IMPORT_CHATTER):
        return import_module(module)


def versions() -> dict[str, str]:
    """Versions of what makes a package."""
    return {name: metadata.version(name) for name in ("coremltools", "torch")}


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keeps coremltools' pass manager from drawing on the terminal. It has no switch for that."""
    manager = load("coremltools.converters.mil.mil.passes.pass_pipeline")
    drawn = manager.tqdm
    manager.tqdm = lambda passes, **_: passes
    try:
        yield
    finally:
        manager.tqdm = drawn


@contextmanager
def checked_once() -> Iterator[None]:
    """Lets coremltools check programs at the end of the block, not after each of its passes, which takes a third of the time of all."""
    program = load("coremltools.converters.mil.mil.program").Program
    check, changed = program.validate, []
    program.validate = lambda one, **_: changed.append(one)
    try:
        yield
    finally:
        program.validate = check
    for one in {id(one): one for one in changed}.values():
        one.validate()


@contextmanager
def small_tensors_inline(largest: int) -> Iterator[None]:
    """Lets tensors of up to `largest` elements be written into the program, not into weight.bin. coremltools writes up to nine."""
    backend = load("coremltools.converters.mil.backend.mil.load")
    usual = backend.should_use_weight_file
    backend.should_use_weight_file = lambda value, *version: usual(value, *version) and value.size > largest
    try:
        yield
    finally:
        backend.should_use_weight_file = usual
