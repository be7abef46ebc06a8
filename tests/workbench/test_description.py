"""The description is kept: schemathesis asks every route for what it allows, and whether it answers as it says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from pondera.workbench.application import application
from pondera.workbench.routes.shapes import Pulse
from tests.workbench.asked import record_line

# Which files are there no description can say, so what is of the right form may be refused for another reason.
# Events never end: they are asked for in tests of their own.
LEFT_OUT = ("/api/run/events",)
EXAMPLES = 12


def test_routes_keep_to_their_description(folder):
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", application(folder))
    asked = [found.ok() for found in schema.get_all_operations()]
    for operation in asked:
        if operation.path in LEFT_OUT:
            continue

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def keeps(case):
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        keeps()
    assert len(asked) > len(LEFT_OUT)


@pytest.mark.parametrize("path", LEFT_OUT)
def test_what_is_left_out_is_there(folder, path):
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", application(folder))
    assert path in {found.ok().path for found in schema.get_all_operations()}


def test_what_is_answered_is_described(folder):
    """No answer is just any object: those of commands hold the object that the command prints."""
    described = application(folder).openapi()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for status in {"200", "201", "202"} & set(operation["responses"]):
                for kind, content in operation["responses"][status]["content"].items():
                    if kind == "application/json":
                        schema = content["schema"]
                        closed = "$ref" in schema or schema.get("propertyNames")
                        assert closed, f"{method} {path} {status} says nothing of its answer"


def test_events_are_what_is_described(client, folder):
    record_line(folder / "line")
    look = client.app.app.state.bench.pulses.look
    for run in ("line", "none"):
        assert set(look(run, None)) <= set(Pulse.model_fields)
        Pulse.model_validate(look(run, None))
    described = client.get("/api/openapi.json").json()["paths"]["/api/run/events"]["get"]["responses"]["200"]
    (event,) = described["content"].values()
    assert set(event["itemSchema"]["properties"]["data"]["contentSchema"]["properties"]) == set(Pulse.model_fields)
