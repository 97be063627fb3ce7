"""Several columns of labels at once, on real photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pictrieve import datasets, finetune  # noqa: E402
from pictrieve.finetune.multitask import Weighed  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK: dict[str, Any] = {"size": 32, "epochs": 1, "batch_size": 12, "show_progress_bar": False}


@pytest.fixture(scope="module")
def apples(data: Path) -> datasets.Dataset:
    every = datasets.Table(data / "grocery" / "labels.csv")
    kinds = ("Apple", "Pear", "Milk")
    return every.filter(lambda one: one.metadata["coarse_label"] in kinds and int(one.path.stem[-2:]) < 3).compact()


@pytest.mark.parametrize("weights", [{"label": 0.25}, "learned"])
def test_two_columns_train_one_encoder(apples: datasets.Dataset, weights: Any) -> None:
    train, test = apples.split("train"), apples.split("test")
    run = finetune.multitask(
        "efficientnet_lite0", train, {"label": "softmax", "coarse_label": "supcon"}, weights=weights, validation=test,
        loss_settings={"label": {"scale": 10.0}}, **QUICK,
    )  # fmt: skip
    row = run.history.iloc[1]
    if weights != "learned":
        assert abs(row["loss"] - (0.25 * row["label_loss"] + row["coarse_label_loss"])) < 1e-4
    after = run.report().after
    assert abs(after["map"] - (after["label_map"] + after["coarse_label_map"]) / 2) < 1e-9
    assert after["coarse_label_map"] > after["label_map"] / 2
    assert run.encoder.encode(test.paths).shape == (len(test), 1280)


def test_rows_without_a_label_count_for_the_others_only() -> None:
    torch.manual_seed(0)
    rows = torch.randn(6, 4, requires_grad=True)
    heads = [finetune.losses.make("linear_softmax", classes=3, dim=4) for _ in range(2)]
    labels = {"a": torch.tensor([0, 1, 2, 0, 1, 2]), "b": torch.tensor([0, -1, 1, -1, -1, 2])}
    found = Weighed(["a", "b"], heads, {"b": 3.0})(rows, labels)
    known = torch.tensor([0, 2, 5])
    own = torch.nn.functional.cross_entropy(heads[1].classifier(rows[known]), labels["b"][known])
    torch.testing.assert_close(found["b_loss"], own)
    torch.testing.assert_close(found["loss"], found["a_loss"] + 3 * own)
    nothing = Weighed(["a", "b"], heads, None)(rows, {**labels, "b": torch.full((6,), -1)})
    assert nothing["b_loss"] == 0
    learned = Weighed(["a", "b"], heads, "learned")
    learned.uncertainties.data = torch.tensor([0.5, -1.0])
    expected = np.exp(-0.5) * found["a_loss"].item() + 0.5 + np.exp(1.0) * own.item() - 1.0
    assert abs(learned(rows, labels)["loss"].item() - expected) < 1e-5


def test_wrong_arguments_are_named(apples: datasets.Dataset) -> None:
    for columns, more, message in (
        ({}, {}, "expected at least one column"),
        ({"label": "magic"}, {}, "columns: 'label': expected one of arcface"),
        ({"colour": "supcon"}, {}, "expected one of the columns .*, got 'colour'"),
        ({"label": "supcon"}, {"weights": {"coarse": 1.0}}, "weights: expected columns among label, got coarse"),
        ({"label": "supcon"}, {"weights": "guessed"}, 'weights: expected numbers by column, or "learned"'),
    ):
        with pytest.raises(ValueError, match=message):
            finetune.multitask("efficientnet_lite0", apples, columns, **more, **QUICK)
