"""The description is kept: schemathesis asks every route for what it allows, and whether it answers as it says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from pondera.workbench.application import application

# Which files are there no description can say, so what is of the right form may be refused for another reason.
# Events never end, and questions start processes: these are asked for in tests of their own.
LEFT_OUT = ("/api/run/events", "/api/checkpoint", "/api/compare", "/api/timeline", "/api/explanation")
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
