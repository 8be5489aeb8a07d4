"""Which test shows what of which real client, and what came of it in a whole run: `pytest` prints that in the end.

A case that no test shows would have to say why in `tests/dialects/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

CASES = (
    "four agents at once", "one fails in the middle of a word", "one is cancelled", "tools", "reasoning",
    "odd characters",
    "a cut at a random byte, and resume", "all fail", "an unknown agent", "an approval", "stop", "a silence",
)  # fmt: skip

FOUR = "four_at_once_one_fails_and_one_is_cancelled"
TOGETHER = dict.fromkeys(CASES[:6], FOUR)

CLIENTS: dict[str, dict[str, str]] = {
    "ai 5, 6 and 7 with @ai-sdk/react": {
        **dict.fromkeys(TOGETHER, f"test_ai_sdk::{FOUR}"),
        "a cut at a random byte, and resume": "test_cuts::a_chat_of_the_ai_sdk_takes_its_stream_up_again",
        "all fail": "test_ai_sdk::all_fail",
        "an unknown agent": "test_ai_sdk::an_unknown_agent_is_named",
        "an approval": "test_ai_sdk::an_approval_is_asked_for_and_answered",
        "stop": "test_ai_sdk::stop_is_a_call",
        "a silence": "test_ai_sdk::silence_is_bridged",
    },
    "openai for Python": {
        **dict.fromkeys(TOGETHER, f"test_openai::{FOUR}"),
        "a cut at a random byte, and resume": "test_cuts::openai_goes_on_by_number_whatever_byte_was_the_last",
        "all fail": "test_openai::all_fail",
        "an unknown agent": "test_openai::an_unknown_model_is_named",
        "an approval": "test_openai::an_approval_is_asked_for_and_answered",
        "stop": "test_openai::nobody_listens_any_more_so_it_is_cancelled",
        "a silence": "test_openai::silence_is_bridged",
    },
    "openai for JavaScript": dict.fromkeys(
        CASES, "test_openai_js::it_reads_several_agents_resumes_and_is_refused"
    ),
    "the Agents SDK": {
        **dict.fromkeys(TOGETHER, f"test_agents_sdk::{FOUR}"),
        "tools": "test_openai::the_agents_sdk_takes_an_agent_for_a_model",
        "a cut at a random byte, and resume": "test_agents_sdk::a_cut_is_an_error_and_the_response_can_be_read_on",
        "all fail": "test_agents_sdk::all_fail",
        "an unknown agent": "test_agents_sdk::an_unknown_agent_is_named",
        "an approval": "test_agents_sdk::an_approval_is_asked_of_a_hosted_tools_callback",
        "stop": "test_agents_sdk::stop_closes_the_stream_and_so_the_run",
        "a silence": "test_agents_sdk::silence_is_bridged",
    },
    "@ag-ui/client 1.0 and 0.0.59": {
        **dict.fromkeys(TOGETHER, f"test_ag_ui::{FOUR}"),
        "a cut at a random byte, and resume": "test_cuts::an_ag_ui_run_goes_on_by_its_run_id",
        "all fail": "test_ag_ui::all_fail",
        "an unknown agent": "test_ag_ui::an_unknown_agent_is_named",
        "an approval": "test_ag_ui::an_interrupt_is_answered_by_the_next_run",
        "stop": "test_ag_ui::a_run_is_cancelled_by_a_call",
        "a silence": "test_ag_ui::silence_is_bridged",
    },
    "a2a-sdk in both bindings": {
        **dict.fromkeys(TOGETHER, f"test_a2a::{FOUR}"),
        "a cut at a random byte, and resume": "test_cuts::a2a_subscribes_again_and_has_the_whole_text",
        "all fail": "test_a2a::all_fail",
        "an unknown agent": "test_a2a::cards_say_who_can_be_asked",
        "an approval": "test_a2a::an_approval_is_input",
        "stop": "test_a2a::a_task_is_cancelled",
        "a silence": "test_a2a::silence_is_bridged",
    },
    "mcp": {
        **dict.fromkeys(TOGETHER, f"test_mcp::{FOUR}"),
        "a cut at a random byte, and resume": "test_mcp::a_cut_stream_is_taken_up_again",
        "all fail": "test_mcp::all_fail",
        "an unknown agent": "test_mcp::what_is_wrong_is_told_to_the_model_that_called",
        "an approval": "test_mcp::an_approval_is_asked_of_the_client_s_user",
        "stop": "test_mcp::a_call_is_cancelled",
        "a silence": "test_mcp::silence_is_bridged",
    },
}
"""Client → case → the test that shows it. MCP has no frame of reasoning: its progress says that an agent thinks."""


EACH: dict[str, tuple[str, set[str]]] = {
    "ai 5, 6 and 7 with @ai-sdk/react": ("version", {"5", "6", "7"}),
    "@ag-ui/client 1.0 and 0.0.59": ("version", {"0", "1"}),
    "a2a-sdk in both bindings": ("binding", {"JSONRPC", "HTTP+JSON"}),
}
"""Client → the parameter whose values each of its tests is run with: its versions, or its bindings."""


class ShownCells:
    """Hears the outcome of each test of the dialects; a whole run fails if a cell has none.

    Args:
        is_whole: Whether all tests of the dialects are asked for.
    """

    def __init__(self, *, is_whole: bool) -> None:
        self._is_whole = is_whole
        self.outcomes: dict[str, set[str]] = {}
        """Of each test, with the parameters that it was run with: "passed", "failed", "skipped"."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in how a test ended; one that was skipped has no call, and one whose end failed has two outcomes."""
        if report.when == "call" or report.outcome != "passed":
            module, _, name = report.nodeid.partition("::")
            if module.startswith("tests/dialects/"):
                found = self.outcomes.setdefault(f"{module[15:-3]}::{name.removeprefix('test_')}", set())
                found.add(report.outcome)

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Yield client, case, and what was seen of it: of all the parameters of its test, the worst outcome."""
        seen: dict[str, set[str]] = {}
        for test, outcomes in self.outcomes.items():
            seen.setdefault(test.partition("[")[0], set()).update(outcomes)
        for client, shown in CLIENTS.items():
            for case, test in shown.items():
                worst = [each for each in ("failed", "skipped", "passed") if each in seen.get(test, ())]
                yield client, case, worst[0] if worst else "not run"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that passed and has not shown each cell."""
        missing = self._is_whole and any(seen == "not run" for _, _, seen in self.cells())
        if missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what each real client was seen to do."""
        if not self._is_whole or terminalreporter.config.option.collectonly:
            return
        terminalreporter.section("real clients of the dialects")
        for client in CLIENTS:
            seen = {case: how for name, case, how in self.cells() if name == client}
            rest = "; ".join(f"{case}: {how}" for case, how in seen.items() if how != "passed")
            passed = sum(how == "passed" for how in seen.values())
            terminalreporter.write_line(
                f"{client}: {passed} of {len(seen)} cases" + (f" ({rest})" if rest else "")
            )


def watch(config: pytest.Config) -> None:
    """Let the cells be watched, in the process that hears of all tests."""
    chosen = config.option.keyword or config.option.markexpr or config.getoption("lf", False)
    whole = {"tests", "tests/dialects"} & {arg.rstrip("/") for arg in config.args} and not chosen
    config.pluginmanager.register(ShownCells(is_whole=bool(whole)), "shown-cells")
