"""Studies run in this process; cases, results and summaries are as once stored: through JSON, arrays apart."""

import json
from typing import Any

import numpy as np


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


def stored(result: dict[str, Any]) -> dict[str, Any]:
    """What `summary` is given: numbers that went through JSON, arrays that went to a file."""
    return {key: value if isinstance(value, np.ndarray) else through_json(value) for key, value in result.items()}


def results_of(study: Any, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [stored(study.run_case(through_json(case))) for case in cases]


def summed_up(study: Any, config: Any) -> dict[str, Any]:
    """The summary of all cases of a configuration."""
    return through_json(study.summary(config, results_of(study, study.cases(config))))
