"""Messages to a process and back, and what is said of one that refuses or ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from converters.coreai.child import LENGTH, Child, ChildError, Parent, receive, send, to_json
from tests.converters.coreai.stand_in import asset_of


def test_messages_come_as_they_were_sent() -> None:
    stream = io.BytesIO()
    contents = [b"first", b"", bytes(1000), b"\n!="]
    for content in contents:
        send(stream, content)
    stream.seek(0)
    assert [receive(stream) for _ in contents] == contents
    assert receive(stream) is None


@pytest.mark.parametrize("kept", [3, LENGTH.size, LENGTH.size + 2])
def test_half_a_message_is_none(kept: int) -> None:
    stream = io.BytesIO()
    send(stream, b"content")
    assert receive(io.BytesIO(stream.getvalue()[:kept])) is None


def test_answers_and_refusals_differ_in_their_first_byte() -> None:
    stream = io.BytesIO()
    Parent(stream).answer(b"!")
    Parent(stream).refuse("K\u00fcrbis")
    stream.seek(0)
    assert [receive(stream), receive(stream)] == [b"=!", b"!K\xc3\xbcrbis"]


def test_json_has_one_order() -> None:
    assert to_json({"b": [1], "a": None}) == b'{"a": null, "b": [1]}'


def test_a_worker_that_is_not_there_is_told_by_its_last_line() -> None:
    with pytest.raises(
        ChildError, match=r"^the process ended with exit code 1: .*No module named converters\.coreai\.gone$"
    ):
        Child("gone").ask(b"a question")


@pytest.mark.usefixtures("stand_in")
def test_what_a_worker_prints_is_no_answer_and_it_can_be_closed_twice(tmp_path: Path) -> None:
    child = Child("run_worker", str(asset_of(tmp_path / "a", functions={"main": [[1, 3, 2, 2], 1]})))
    assert json.loads(child.ask()) == {"main": [1, 3, 2, 2]}
    child.close()
    child.close()
    assert child._process.poll() is not None


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ({"error": "no such op"}, r"^RuntimeError: no such op$"),
        ({"signal": 9}, r"^the process ended by signal 9: what Apple's code prints$|^the process ended by signal 9$"),
    ],
)
def test_a_worker_that_refuses_or_ends_is_told(program: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ChildError, match=said):
        Child("run_worker", str(asset_of(tmp_path / "a", **program))).ask()
