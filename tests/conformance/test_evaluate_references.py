"""Retrieval metrics against other libraries, on random rankings with ties, empty sets and R > k."""

from __future__ import annotations

import pytest
import reference_metrics
import reference_torchvision  # noqa: F401  torchmetrics imports torchvision


@pytest.mark.parametrize(
    "name", [name for name in reference_metrics.REFERENCES if name not in reference_metrics.ON_REQUEST]
)
def test_every_metric_equals_its_reference(name: str) -> None:
    reference = reference_metrics.REFERENCES[name]
    found = reference_metrics.largest_differences(reference, cases=3)
    assert found
    for metric, (difference, count) in found.items():
        assert count > 0, metric
        assert difference < reference.tolerance, metric
