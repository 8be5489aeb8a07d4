"""The real OpenAI client and the Agents SDK, unmodified, against the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from orchestrator.backends.base import AgentInput
from orchestrator.eventlog import subscription
from tests.support.service import Serve, Service

from .agents import BROKEN, CHATTY, FILE, ODD, SOURCE, TOOLED, dialects_served, soon_given_up

FOUR = "chatty+tooled+broken+endless"


@pytest.fixture
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    async with dialects_served(getattr(request, "param", 600)) as served:
        yield served


@pytest.fixture
async def client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as made:
        yield made


async def native_texts(service: Service, run_id: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for event in await service.events(run_id):
        if event.data["type"] == "token":
            texts[event.data["agent_id"]] = texts.get(event.data["agent_id"], "") + event.data["text"]
    return texts


def run_of(response_id: str) -> str:
    return f"run_{response_id.removeprefix('resp_')}"


async def cancel_agent(service: Service, run_id: str, agent_id: str) -> None:
    answer = await service.call("POST", f"/v1/runs/{run_id}/agents/{agent_id}/cancel")
    assert answer.status == 202


def speaker(item: Any) -> str:
    """Return whose an item is: what a client keeps of a field that its types do not know."""
    return str(item.agent["agent_name"])


def message_texts(response: Any) -> dict[str, str]:
    """Return what each agent's message items say."""
    texts: dict[str, str] = {}
    for item in response.output:
        if item.type == "message":
            texts[speaker(item)] = "".join(part.text for part in item.content)
    return texts


async def test_agents_and_panels_are_models(client: AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]
    assert "chatty" in listed
    assert (await client.models.retrieve("chatty")).id == "chatty"
    with pytest.raises(openai.NotFoundError) as refused:
        await client.models.retrieve("nobody")
    assert "nobody" in refused.value.message


async def test_four_at_once_one_fails_and_one_is_cancelled(service: Service, client: AsyncOpenAI) -> None:
    """Each agent's item has the text of the native stream; the response is complete as long as one is done."""
    async with client.responses.stream(model=FOUR, input="hi") as stream:
        cancelled, run_id = False, ""
        async for event in stream:
            if event.type == "response.created":
                run_id = run_of(event.response.id)
            if event.type == "response.output_text.delta" and not cancelled and "on" in event.delta:
                cancelled = True
                await cancel_agent(service, run_id, "endless")
        final = await stream.get_final_response()
    assert final.status == "completed"
    assert message_texts(final) == await native_texts(service, run_id)
    assert message_texts(final)["chatty"] == "".join(CHATTY)
    assert message_texts(final)["broken"] == BROKEN[0]
    states = {speaker(item): item.status for item in final.output if item.type == "message"}
    assert states == {
        "chatty": "completed", "tooled": "completed", "broken": "incomplete", "endless": "incomplete"
    }  # fmt: skip
    assert final.metadata is not None
    assert final.metadata["run_status"] == "partial"
    assert final.metadata["agent.broken"] == "error:upstream_unavailable"
    (call,) = [item for item in final.output if item.type == "mcp_call"]
    assert (call.server_label, call.name, call.status, call.output) == (
        "tooled",
        "look",
        "completed",
        "blue\u2028sky",
    )
    (thought,) = [item for item in final.output if item.type == "reasoning"]
    assert thought.summary[0].text.startswith("hm, odd a\u2028b")


async def test_numbers_rise_and_any_of_them_is_a_cursor(client: AsyncOpenAI) -> None:
    """Cut after any frame, also between two frames of one event, the rest comes once."""
    whole = [
        event async for event in await client.responses.create(model="chatty+tooled", input="hi", stream=True)
    ]
    numbers = [event.sequence_number for event in whole]
    assert numbers == sorted(set(numbers))
    (response_id,) = {event.response.id for event in whole if event.type == "response.created"}
    for place in range(0, len(whole), 3):
        stream = await client.responses.retrieve(
            response_id, stream=True, starting_after=whole[place].sequence_number
        )
        rest = [event.model_dump() async for event in stream]
        assert rest == [event.model_dump() for event in whole[place + 1 :]]


async def test_a_response_in_the_background_is_there_later(client: AsyncOpenAI) -> None:
    begun = await client.responses.create(model="chatty", input="hi", background=True)
    assert begun.status == "in_progress"
    stream = await client.responses.retrieve(begun.id, stream=True)
    last = [event async for event in stream][-1]
    assert last.type == "response.completed"
    shown = await client.responses.retrieve(begun.id)
    assert shown.output_text == "".join(CHATTY)
    assert shown.model_dump() == last.response.model_dump()


async def test_a_cancelled_response_says_so(client: AsyncOpenAI) -> None:
    begun = await client.responses.create(model="endless", input="hi", background=True)
    assert (await client.responses.cancel(begun.id)).status == "cancelled"
    assert (await client.responses.retrieve(begun.id)).status == "cancelled"


async def test_a_response_goes_on_from_an_earlier_one(service: Service, client: AsyncOpenAI) -> None:
    first = await client.responses.create(model="tooled", input="hi")
    second = await client.responses.create(model="tooled", input="and now", previous_response_id=first.id)
    conversations = {(await service.find(run_of(each.id))).spec.conversation_id for each in (first, second)}
    assert len(conversations) == 1
    assert None not in conversations


async def remembers(request: AgentInput) -> AsyncIterator[str]:
    """Say what it knows of the conversation."""
    yield ",".join([*(turn.message for turn in request.history), request.message])


async def test_two_that_go_on_from_one_response_do_not_know_each_other(serve: Serve) -> None:
    """As with OpenAI: what was asked beside the response that is named is no part of what led to it."""
    service = await serve({"remembers": remembers})
    url = f"{service.url}/v1"
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        first = await client.responses.create(model="remembers", input="one")
        for asked in ("two", "three"):
            further = await client.responses.create(
                model="remembers", input=asked, previous_response_id=first.id
            )
            assert further.output_text == f"one,{asked}"
        last = await client.responses.create(model="remembers", input="four", previous_response_id=further.id)
        assert last.output_text == "one,three,four"
        with pytest.raises(openai.NotFoundError, match="no response 'resp_unknown'"):
            await client.responses.create(model="remembers", input="x", previous_response_id="resp_unknown")
        alone = (await service.start(agents=["remembers"])).removeprefix("run_")
        with pytest.raises(openai.UnprocessableEntityError, match="previous_response_id is of a run"):
            await client.responses.create(model="remembers", input="x", previous_response_id=f"resp_{alone}")


async def test_a_number_that_no_frame_has_is_refused(client: AsyncOpenAI) -> None:
    """Whoever is ahead of a response would be sent nothing of it, and would not hear that it ended."""
    done = await client.responses.create(model="tooled", input="hi")
    with pytest.raises(openai.UnprocessableEntityError, match="starting_after is beyond"):
        await client.responses.retrieve(done.id, stream=True, starting_after=10**6)


@soon_given_up
async def test_nobody_listens_any_more_so_it_is_cancelled(service: Service, client: AsyncOpenAI) -> None:
    """As a user of this API expects who closes the stream."""
    async with await client.responses.create(model="endless", input="hi", stream=True) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
    (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
    await service.ended(run["run_id"])
    assert service.run(run["run_id"]).status == "cancelled"


@pytest.mark.parametrize("model", ["nobody", "chatty+nobody", "panel:none"])
async def test_an_unknown_model_is_named(client: AsyncOpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.responses.create(model=model, input="hi")
    assert model in refused.value.message
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


async def test_all_fail(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model="broken+failing", input="hi", stream=True)
    last = [event async for event in stream][-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "The provider went away."
    with pytest.raises(openai.APIStatusError) as refused:
        await client.chat.completions.create(model="broken", messages=[{"role": "user", "content": "hi"}])
    assert refused.value.status_code == 502
    chunks = await client.chat.completions.create(
        model="broken", messages=[{"role": "user", "content": "hi"}], stream=True
    )
    with pytest.raises(openai.APIError, match="went away"):
        async for _ in chunks:
            pass


async def test_silence_is_bridged(client: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python client dies of a comment after an id, so the heartbeat is of its own kind."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.1)
    stream = await client.responses.create(model="silent", input="hi", stream=True)
    kinds = [event.type async for event in stream]
    assert "keepalive" in kinds
    async with client.responses.stream(model="silent", input="hi") as managed:
        final = await managed.get_final_response()
    assert final.output_text == "before after"
    chunks = await client.chat.completions.create(
        model="silent", messages=[{"role": "user", "content": "hi"}], stream=True
    )
    said = [chunk.choices[0].delta.content or "" async for chunk in chunks]
    assert "".join(said) == "before after"


@soon_given_up
@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_asked_for_and_answered(client: AsyncOpenAI, approve: bool) -> None:
    """The answer ends while the run waits, for as long as somebody thinks, and the next one goes on from there."""
    async with client.responses.stream(model="asking", input="hi") as stream:
        asked = await stream.get_final_response()
    (request,) = [item for item in asked.output if item.type == "mcp_approval_request"]
    assert (request.name, request.arguments) == ("send", '{"to":"all"}')
    assert asked.output_text == "May I? "
    await asyncio.sleep(2)  # longer than a run without a subscriber is kept
    async with client.responses.stream(
        model="asking",
        input=[{"type": "mcp_approval_response", "approval_request_id": request.id, "approve": approve}],
        previous_response_id=asked.id,
    ) as stream:
        final = await stream.get_final_response()
    assert final.status == "completed"
    assert final.output_text == ("Sent." if approve else "Not sent.")


async def test_what_is_neither_text_nor_a_tool_stands_in_the_response(client: AsyncOpenAI) -> None:
    """A page that is cited is its message's annotation, as OpenAI's own; all else stands by agent."""
    async with client.responses.stream(model="rich", input="hi") as stream:
        told = [
            event.annotation
            async for event in stream
            if event.type == "response.output_text.annotation.added"
        ]
        final = await stream.get_final_response()
    (message,) = [item for item in final.output if item.type == "message"]
    (cited,) = message.content[0].annotations
    assert (cited.type, cited.url, cited.title) == ("url_citation", SOURCE.url, SOURCE.title)
    assert [each.url for each in told] == [SOURCE.url]
    beyond = final.model_extra["agents"]["rich"]
    assert [each["url"] for each in beyond["files"]] == [FILE.url]
    assert beyond["data"] == [{"name": "brew", "value": {"minutes": 4, "odd": ODD}, "data_id": "b1"}]
    assert beyond["output"] == {"hot": True, "odd": ODD}


async def test_a_refusal_has_its_reason(service: Service, client: AsyncOpenAI) -> None:
    asked = await client.responses.create(model="asking", input="hi")
    (request,) = [item for item in asked.output if item.type == "mcp_approval_request"]
    answer: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": False}
    with pytest.raises(openai.UnprocessableEntityError):
        await client.responses.create(model="asking", input=[answer | {"reason": "x" * 1001}])
    final = await client.responses.create(model="asking", input=[answer | {"reason": "Too many."}])
    assert final.output_text == "Not sent. You said: Too many."


# ── chat completions ──────────────────────────────────────────────────────────────────────────


async def test_chat_has_a_choice_for_each_agent(service: Service, client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="chatty+tooled+broken",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    texts: dict[int, str] = {}
    ends: dict[int, str] = {}
    thoughts, usage, chat = "", None, ""
    async for chunk in stream:
        usage, chat = chunk.usage, chunk.id
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            thoughts += getattr(choice.delta, "reasoning_content", None) or ""
            if choice.finish_reason:
                ends[choice.index] = choice.finish_reason
    native = await native_texts(service, f"run_{chat.removeprefix('chatcmpl-')}")
    assert list(texts.values()) == [native["chatty"], native["tooled"], native["broken"]]
    assert ends == {0: "stop", 1: "stop", 2: "error"}
    assert thoughts.startswith("hm, odd")
    assert usage is not None
    assert usage.completion_tokens == 22


async def test_chat_without_a_stream(client: AsyncOpenAI) -> None:
    history: list[Any] = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": [{"type": "text", "text": "and now?"}]},
    ]
    said = await client.chat.completions.create(model="chatty+tooled", messages=history)
    assert [choice.message.content for choice in said.choices] == ["".join(CHATTY), "".join(TOOLED)]


async def test_chat_tells_what_is_neither_text_nor_a_tool(client: AsyncOpenAI) -> None:
    question: Any = [{"role": "user", "content": "hi"}]
    said = await client.chat.completions.create(model="rich", messages=question)
    message = said.choices[0].message
    assert message.annotations is not None
    assert message.annotations[0].url_citation.url == SOURCE.url
    beyond: Any = message.model_extra
    assert beyond["files"][0]["url"] == FILE.url
    assert beyond["sources"][0]["document"] == "The book of tea"
    assert beyond["output"] == {"hot": True, "odd": ODD}
    stream = await client.chat.completions.create(model="rich", messages=question, stream=True)
    told: Any = [choice.delta.model_extra async for chunk in stream for choice in chunk.choices]
    assert [each["files"][0]["url"] for each in told if "files" in each] == [FILE.url]
    assert [each["annotations"][0]["url_citation"]["url"] for each in told if "annotations" in each] == [
        SOURCE.url
    ]
    async with client.chat.completions.stream(model="rich", messages=question) as helper:
        final: Any = (await helper.get_final_completion()).choices[0].message
    assert final.content == message.content
    assert [each["value"]["minutes"] for each in final.model_extra["data"]] == [3, 4]


@pytest.mark.parametrize(
    ("words", "end"), [("Yes.", "Sent."), ("no: Too many.", "Not sent. You said: Too many.")]
)
async def test_chat_asks_for_an_approval_in_words(client: AsyncOpenAI, words: str, end: str) -> None:
    """The client's history is all that it has, so the question is in it, and the next message answers."""
    history: list[Any] = [{"role": "user", "content": "hi"}]
    asked = await client.chat.completions.create(model="asking", messages=history)
    question = asked.choices[0].message.content or ""
    assert question.startswith("May I? ")
    assert "send" in question
    stream = await client.chat.completions.create(
        model="asking",
        messages=[*history, {"role": "assistant", "content": question}, {"role": "user", "content": words}],
        stream=True,
    )
    assert "".join([each.choices[0].delta.content or "" async for each in stream]) == end


async def test_other_words_than_yes_and_no_approve_of_nothing(service: Service, client: AsyncOpenAI) -> None:
    history: list[Any] = [{"role": "user", "content": "hi"}]
    stream = await client.chat.completions.create(model="asking", messages=history, stream=True)
    question = "".join([each.choices[0].delta.content or "" async for each in stream])
    run_id = (await service.call("GET", "/v1/runs")).json["runs"][0]["run_id"]
    history += [
        {"role": "assistant", "content": question},
        {"role": "user", "content": "Yes, but who are all?"},
    ]
    await client.chat.completions.create(model="tooled", messages=history)
    assert (await service.find(run_id)).awaits_approval


async def test_a_request_without_a_question_is_refused_in_this_api(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await client.chat.completions.create(model="chatty", messages=[])
    assert refused.value.param == "messages"


async def test_the_agents_sdk_takes_an_agent_for_a_model(client: AsyncOpenAI) -> None:
    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner

    quiet = RunConfig(tracing_disabled=True)
    for kind in (OpenAIResponsesModel, OpenAIChatCompletionsModel):
        agent = Agent(name="a", model=kind(model="tooled", openai_client=client))
        assert (await Runner.run(agent, "hi", run_config=quiet)).final_output == "".join(TOOLED)
        streamed = Runner.run_streamed(agent, "hi", run_config=quiet)
        async for _ in streamed.stream_events():
            pass
        assert streamed.final_output == "".join(TOOLED)
