"""The table of SoCs, and what is said of one that is not in it."""

from __future__ import annotations

import pytest

from converters.errors import UnknownSocError
from converters.qualcomm.socs import SOCS, USUAL, Soc, find_soc, find_socs
from evit_mobile.request import ConvertRequest


def test_socs_are_found_in_any_case_and_once() -> None:
    assert [soc.name for soc in find_socs(["sm8650", "SM8750", "Sm8650"])] == ["SM8650", "SM8750"]
    assert [SOCS[name].architecture for name in USUAL] == [73, 75, 79, 81]
    assert len({soc.number for soc in SOCS.values()}) == len(SOCS)


def test_an_unknown_soc_lists_the_known() -> None:
    with pytest.raises(UnknownSocError, match=r"'SM9999'.*SM8350 .*v68.*SM8850") as caught:
        find_soc("SM9999")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownSocError):
        ConvertRequest.of(socs=["SM9999"])


def test_a_soc_in_words() -> None:
    soc = Soc(name="SM1234", number=5, architecture=73, known_as="a phone")
    assert soc.format_of("onnx") == "onnx-sm1234"
    assert soc.hexagon == "Hexagon v73 of SM1234"
    assert soc.emulator == "Qualcomm's HTP emulator for SM1234 on x86-64"


def test_the_order_is_that_of_the_first_mention() -> None:
    assert find_socs([]) == ()
    assert [soc.name for soc in find_socs(["SM8850", "sm8350", "sm8850"])] == ["SM8850", "SM8350"]
    with pytest.raises(UnknownSocError, match=r"ro\.soc\.model"):
        find_socs(["SM8650", ""])


@pytest.mark.parametrize("name", SOCS)
def test_a_row_is_called_by_its_soc(name: str) -> None:
    soc = SOCS[name]
    assert soc.name == name == name.upper()
    assert soc.known_as.startswith("Snapdragon ")
    assert 68 <= soc.architecture <= 81
