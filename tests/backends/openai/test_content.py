"""What an agent of the SDK says beside text: citations, images, files, structured answers, usage in detail, reasons."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent, ToolOutputFileContent, ToolOutputImage, function_tool
from pydantic import BaseModel

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.content import files_of_result, without_data
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import File, Source, ToolResult, Usage
from orchestrator.events.content import DATA_URL_CHARS
from tests.support.emissions import Answering, finish_of, gather, of_kind, text_in

from .replays.server import ReplayServer, Reply
from .replays.wire import RESPONSES, completed, function_call, message, stream, text_delta
from .test_tool_events import hosted, told

HERE = "tests.backends.openai.test_content"
PNG = "iVBORw0KGgo="


class Verdict(BaseModel):
    blue: bool
    why: list[str]


@function_tool
def draw() -> list[Any]:
    image = ToolOutputImage(image_url=f"data:image/webp;base64,{PNG}")
    return [image, ToolOutputFileContent(file_url="https://example.org/a.pdf", filename="a.pdf")]


@function_tool(needs_approval=True)
def send(to: str) -> str:
    return f"sent to {to}"


@function_tool
def draw_large() -> ToolOutputImage:
    return ToolOutputImage(image_url="data:image/png;base64," + "A" * DATA_URL_CHARS)


large_painter = Agent[Any](name="painter", model="m", tools=[draw_large])
judge = Agent[Any](name="judge", model="m", output_type=Verdict)
plain = Agent[Any](name="plain", model="m", tools=[send])
painter = Agent[Any](name="painter", model="m", tools=[draw])
sender = Agent[Any](name="sender", model="m", tools=[send])


def cited(text: str, *notes: dict[str, Any], item_id: str = "msg_1") -> dict[str, Any]:
    whole = message(text, item_id)
    whole["content"][0]["annotations"] = list(notes)
    return whole


URL_NOTE = {
    "type": "url_citation", "url": "https://example.org/sky", "title": "The sky", "start_index": 0, "end_index": 8,
}  # fmt: skip
FILE_NOTE = {"type": "file_citation", "file_id": "file_1", "filename": "sky.txt", "index": 4}


@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_citations_are_sources_at_their_place(transport: str) -> None:
    replies: list[Reply] = [
        stream(
            text_delta("It "),
            text_delta("is blue."),
            completed(cited("It is blue.", URL_NOTE, FILE_NOTE, URL_NOTE)),
        )
    ]
    said = await told(replies, transport, model="m")
    assert of_kind(said, Source) == [
        Source("https://example.org/sky", url="https://example.org/sky", title="The sky", at=8),
        Source("file_1", document="sky.txt", title="sky.txt", at=4),
    ]
    assert text_in(said) == "It is blue."


async def test_a_place_counts_from_the_beginning_of_the_answer() -> None:
    """Text of an earlier response stands before it."""
    replies: list[Reply] = [
        stream(text_delta("Let me. "), completed(message("Let me. "), function_call("draw", "{}"))),
        stream(text_delta("It is blue."), completed(cited("It is blue.", URL_NOTE))),
    ]
    said = await told(replies, "fast", agent=f"{HERE}:painter")
    assert [source.at for source in of_kind(said, Source)] == [16]
    assert text_in(said)[8:16] == "It is bl"


@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_what_a_tool_of_the_providers_draws_is_a_file(transport: str) -> None:
    drawn = {
        "type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG, "output_format": "webp",
    }  # fmt: skip
    said = await told(hosted(drawn), transport, model="m")
    assert of_kind(said, File) == [File("ig_1", "image.webp", "image/webp", f"data:image/webp;base64,{PNG}")]
    plot = {"type": "image", "url": "https://example.org/plot.png"}
    ran = {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "status": "completed",
        "code": "1",
        "container_id": "c",
    }
    said = await told(hosted({**ran, "outputs": [plot]}), transport, model="m")
    assert of_kind(said, File) == [File("ci_1.0", "plot.png", "image/png", "https://example.org/plot.png")]


async def test_an_image_that_is_too_large_is_left_out_and_the_answer_stands() -> None:
    drawn = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": "A" * DATA_URL_CHARS,
    }
    said = await told(hosted(drawn), "fast", model="m")
    assert of_kind(said, File) == []
    assert text_in(said) == "so"


async def test_what_a_function_tool_draws_is_a_file_and_not_its_bytes_as_text() -> None:
    replies: list[Reply] = [
        stream(completed(function_call("draw", "{}"))),
        stream(text_delta("done"), completed(message("done"))),
    ]
    said = await told(replies, "fast", agent=f"{HERE}:painter")
    assert of_kind(said, File) == [
        File("call_a.0", "image", "image/webp", f"data:image/webp;base64,{PNG}"),
        File("call_a.1", "a.pdf", "application/octet-stream", "https://example.org/a.pdf"),
    ]
    (result,) = of_kind(said, ToolResult)
    assert PNG not in result.output
    assert "a.pdf" in result.output


@pytest.mark.parametrize(
    "result",
    ["text", 3, None, {"type": "image"}, {"type": "file", "file_id": "f"}, [{"type": "text", "text": "t"}],
     {"type": "image", "image_url": "http://plain.example/a.png"}, {"type": "image", "image_url": "javascript:x"},
     {"type": "image", "image_url": "data:image/png;base64"}],
)  # fmt: skip
def test_what_is_no_file_cannot_be_passed_on(result: object) -> None:
    assert all(file.check() is not None for file in files_of_result(result, "c"))


async def test_an_image_of_a_tool_that_is_too_large_is_left_out_and_its_bytes_too() -> None:
    replies: list[Reply] = [
        stream(completed(function_call("draw_large", "{}"))),
        stream(text_delta("done"), completed(message("done"))),
    ]
    said = await told(replies, "fast", agent=f"{HERE}:large_painter")
    assert of_kind(said, File) == []
    (result,) = of_kind(said, ToolResult)
    assert "AAAA" not in result.output
    assert text_in(said) == "done"


async def test_an_answer_that_is_nothing_but_an_image_too_large_is_no_silent_end() -> None:
    drawn = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": "A" * DATA_URL_CHARS,
    }
    with pytest.raises(AgentError, match="262144") as failed:
        await told([stream(completed(drawn))], "fast", model="m")
    assert failed.value.code == "output_limit"


def test_plain_mappings_count_as_the_sdk_takes_them() -> None:
    result = {"type": "file", "file_data": "QUJD", "filename": "a.txt"}
    assert files_of_result(result, "c") == [
        File("c.0", "a.txt", "application/octet-stream", "data:application/octet-stream;base64,QUJD")
    ]
    assert without_data({"type": "image", "image_url": "data:x,y"}) == {
        "type": "image",
        "image_url": "(8 characters)",
    }


async def test_a_structured_answer_is_the_output() -> None:
    text = '{"blue": true, "why": ["sky"]}'
    said = await told([stream(text_delta(text), completed(message(text)))], "fast", agent=f"{HERE}:judge")
    assert text_in(said) == text
    assert finish_of(said).output == {"blue": True, "why": ["sky"]}


@pytest.mark.parametrize("keys", [{"model": "m"}, {"agent": f"{HERE}:plain"}])
async def test_usage_is_told_in_detail(keys: dict[str, str]) -> None:
    usage = {
        "input_tokens": 9, "output_tokens": 7, "total_tokens": 16,
        "input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    said = await told([stream(text_delta("x"), completed(message("x"), usage=usage))], "fast", **keys)
    assert finish_of(said).usage == Usage(9, 7, 4, 3)


@pytest.mark.parametrize("reason", ["not on a Sunday", None])
async def test_why_a_call_was_not_approved_is_told_to_the_model(reason: str | None) -> None:
    replies: list[Reply] = [
        stream(completed(function_call("send", '{"to": "all"}'))),
        stream(text_delta("Well."), completed(message("Well."))),
    ]
    async with ReplayServer(replies) as server:
        settings = OpenAIAgentsSettings.model_validate(
            {
                "agent_id": "a",
                "base_url": server.url,
                "api_key": "k",
                "api": RESPONSES,
                "agent": f"{HERE}:sender",
            }
        )
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        said: list[Emission] = await gather(backend.stream(Answering(False, reason).of(AgentInput("go"))))
        await backend.aclose()
    (result,) = of_kind(said, ToolResult)
    assert result.is_error
    assert (reason or "not approved") in result.output
    if reason is not None:
        assert reason in str(server.asked[1].body)
