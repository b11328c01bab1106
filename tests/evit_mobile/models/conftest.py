"""Weights that several files of tests take, and none changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.evit_mobile.models.states import State


@pytest.fixture(scope="module")
def m0() -> State:
    from tests.evit_mobile.models.states import fresh

    return fresh("efficientvit_m0")


@pytest.fixture(scope="module")
def b0() -> State:
    from tests.evit_mobile.models.states import fresh

    return fresh("efficientvit_b0")
