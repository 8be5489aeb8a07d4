"""Covers `orchestrator/server/http/dialects/approvals.py`: answers to approvals in another API's words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request
from pytest_aiohttp import AiohttpClient

from orchestrator.backends.base import AgentInput
from orchestrator.errors import Gone, InvalidRequest, NotFound
from orchestrator.events import ApprovalRequest
from orchestrator.run.run import Run
from orchestrator.run.spec import StartRequest
from orchestrator.server.app import create_app
from orchestrator.server.app_keys import SUPERVISOR
from orchestrator.server.http.dialects.approvals import ApprovalAnswer, give_answers, read_approval_id
from tests.support.patience import eventually


async def careful(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield ApprovalRequest("c1", "pay", "{}")
    yield f"{await request.approve('c1')}"


@pytest.mark.parametrize(
    ("approval", "answer"),
    [
        ("run_1/a/c1", ApprovalAnswer("run_1", "a", "c1", True)),
        ("run_1/a/c/1", ApprovalAnswer("run_1", "a", "c/1", True)),
    ],
)
def test_an_id_names_the_run_the_agent_and_the_call(approval: str, answer: ApprovalAnswer) -> None:
    """A call's id is its provider's own, and may hold a slash."""
    assert read_approval_id(approval, True) == answer


def test_a_reason_is_text_or_none() -> None:
    assert read_approval_id("r/a/c", False, "No.").reason == "No."
    assert read_approval_id("r/a/c", False, {"odd": 1}).reason is None


@pytest.mark.parametrize(
    ("approval", "approve"), [("run_1/a", True), (None, True), ("r/a/c", None), ("r/a/c", "yes")]
)
def test_what_is_no_answer_is_refused(approval: object, approve: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_approval_id(approval, approve)
    assert [field.at for field in caught.value.fields] == ["approval"]


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    return await aiohttp_client(create_app(agents={"a": careful, "b": careful}))


async def waiting(client: TestClient[Any, Any]) -> Run:
    run, _ = await client.app[SUPERVISOR].start(StartRequest("hi"))
    assert isinstance(run, Run)

    def both_wait() -> bool:
        return all(agent.task is not None and agent.task.pump.awaits_approval for agent in run._agents)

    await eventually(both_wait)
    return run


def request_of(client: TestClient[Any, Any]) -> web.Request:
    return make_mocked_request("POST", "/", app=client.app)


async def test_each_agent_gets_its_own_answer_and_the_stream_goes_on_from_there(
    client: TestClient[Any, Any],
) -> None:
    run = await waiting(client)
    run_id = run.spec.run_id
    answers = [
        ApprovalAnswer(run_id, "a", "c1", True),
        ApprovalAnswer("run_other", "b", "c1", True),
        ApprovalAnswer(run_id, "b", "c1", False),
    ]
    found, goes_on = await give_answers(request_of(client), answers)
    assert found is run
    assert goes_on is not None
    await eventually(lambda: run.status != "running")
    assert {name: each.text for name, each in run.participants.items()} == {"a": "True", "b": "False"}


async def test_an_answer_that_was_given_before_is_left_as_it_is(client: TestClient[Any, Any]) -> None:
    """A page sends all that its message holds, each time."""
    run = await waiting(client)
    first, second = (ApprovalAnswer(run.spec.run_id, agent_id, "c1", True) for agent_id in "ab")
    await give_answers(request_of(client), [first])
    await give_answers(request_of(client), [first, second])
    await eventually(lambda: run.status != "running")
    assert run.status == "completed"
    with pytest.raises(NotFound):
        await give_answers(request_of(client), [first, second])


async def test_a_run_that_is_not_there_takes_no_answer(client: TestClient[Any, Any]) -> None:
    with pytest.raises(NotFound):
        await give_answers(request_of(client), [ApprovalAnswer("run_never", "a", "c1", True)])
    run = await waiting(client)
    await client.app[SUPERVISOR].forget(run.spec.run_id)
    with pytest.raises(Gone):
        await give_answers(request_of(client), [ApprovalAnswer(run.spec.run_id, "a", "c1", True)])
