"""The query and where languages: what they mean, what they refuse, and that nothing is ever interpolated."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictrieve.gallery.query import parse_query
from pictrieve.gallery.where import parse_where


def parsed(query: str) -> list[tuple[str, str, float]]:
    return [(term.kind, term.value, term.weight) for term in parse_query(query)]


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("two dogs in the snow", [("text", "two dogs in the snow", 1)]),
        ("dog.jpg + snow - 2:car", [("image", "dog.jpg", 1), ("text", "snow", 1), ("text", "car", -2)]),
        ("2:golden retriever + ./pool.JPG - fruit",
         [("text", "golden retriever", 2), ("image", "./pool.JPG", 1), ("text", "fruit", -1)]),
        ("- car + red", [("text", "car", -1), ("text", "red", 1)]),
        ("black-and-white", [("text", "black-and-white", 1)]),
        ("a dog's + bone", [("text", "a dog's", 1), ("text", "bone", 1)]),
        ("'salt + pepper' + .5:\"x - y\"", [("text", "salt + pepper", 1), ("text", "x - y", 0.5)]),
        ("10:30 on a clock", [("text", "30 on a clock", 10)]),
        ("'10:30' on a clock", [("text", "'10:30' on a clock", 1)]),
        ("雪中的狗 + 2:红色", [("text", "雪中的狗", 1), ("text", "红色", 2)]),
    ],
)  # fmt: skip
def test_queries_mean_what_the_manual_says(query: str, terms: list[tuple[str, str, float]]) -> None:
    assert parsed(query) == terms


def test_existing_files_are_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("salt + pepper").touch()
    Path("dog").touch()
    os.mkdir("cat")
    assert parsed("salt + pepper") == [("image", "salt + pepper", 1)]
    assert parsed("dog + cat") == [("image", "dog", 1), ("text", "cat", 1)]


@pytest.mark.parametrize("query", ["", "  ", "dog +", "+ - dog", "a + + b", "'open", "0:dog", "2:", "dog - ''"])
def test_broken_queries_are_refused(query: str) -> None:
    with pytest.raises(ValueError, match="query"):
        parse_query(query)


@given(st.text(max_size=60))
def test_any_text_is_terms_or_a_clear_error(text: str) -> None:
    try:
        terms = parse_query(text.replace("\0", ""))
    except ValueError:
        return
    assert terms
    assert all(term.value and term.weight for term in terms)


ROWS = [
    (1, '{"price": 10, "label": "cat", "new": true}', 640),
    (2, '{"price": 19.5, "label": "dog"}', 320),
    (3, '{"price": "n/a", "label": "o\'brien"}', 1000),
    (4, '{"label": "cat", "odd name": 3}', 50),
]
KEYS = ["price", "label", "new", "odd name"]


@pytest.fixture(scope="module")
def table() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE items (id INTEGER, metadata TEXT, width INTEGER)")
    connection.executemany("INSERT INTO items VALUES (?, ?, ?)", ROWS)
    return connection


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("price < 20", [1, 2]),
        ("price<20 and label='cat'", [1]),
        ('label == "cat" or width >= 1000', [1, 3, 4]),
        ("not label = 'cat'", [2, 3]),
        ("label != 'cat' and not (width < 400)", [3]),
        ("label in ('dog', 'bird', 'o''brien')", [2, 3]),
        ("label not in ('dog')", [1, 3, 4]),
        ("label like 'c%'", [1, 4]),
        ("price is null", [4]),
        ("price is not null and price between 10 and 19.5", [1, 2]),
        ("new", [1]),
        ("new = true", [1]),
        ("`odd name` = 3", [4]),
        ("-1 < id and 3 > id", [1, 2]),
        ("LABEL = 'cat'", None),
        ("label = 'cat'' OR 1=1 --'", []),
    ],
)
def test_conditions_select_what_they_say(table: sqlite3.Connection, expression: str, ids: list[int] | None) -> None:
    if ids is None:
        with pytest.raises(ValueError, match=r"no column 'LABEL'.*label, new"):
            parse_where(expression, KEYS)
        return
    condition = parse_where(expression, KEYS)
    found = table.execute(f"SELECT id FROM items WHERE {condition.sql} ORDER BY id", condition.parameters)
    assert [row[0] for row in found] == ids


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "",
            "price <",
            "price < 20 20",
            "price < 20; DROP TABLE items",
            "(price",
            "price in 3",
            "label = 'open",
        ),
        *("and", "price not 3", "1e", "label = cat", "length(label) > 2", "(" * 200 + "price" + ")" * 200),
        "price < \x00",
    ],
)
def test_broken_conditions_are_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="where"):
        parse_where(expression, KEYS)


@settings(max_examples=300)
@given(st.text(alphabet="price label'\"`<>=!(),0123456789.-andorit%;\n", max_size=40))
def test_no_expression_reaches_sql_as_text(text: str) -> None:
    try:
        condition = parse_where(text, KEYS)
    except ValueError:
        return
    assert "'" not in condition.sql
    assert ";" not in condition.sql
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE items (id, path, size, mtime, width, height, format, text, added_at, metadata)")
    connection.execute(f"SELECT id FROM items WHERE {condition.sql}", condition.parameters).fetchall()
    connection.close()


def test_long_and_deep_conditions_run_or_are_refused() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE items (id INTEGER, metadata TEXT)")
    connection.execute("INSERT INTO items VALUES (7, '{}')")

    def count(expression: str) -> int:
        where = parse_where(expression, [])
        sql = f"SELECT count(*) FROM items WHERE {where.sql}"
        return int(connection.execute(sql, where.parameters).fetchone()[0])

    for word in ("or", "and"):
        assert count(f" {word} ".join(["id = 7"] * 900)) == 1
        with pytest.raises(ValueError, match=r"more than 900 conditions; use a list instead: label in"):
            count(f" {word} ".join(["id = 7"] * 901))
    for opening, closing, limit in (("id = 8 or id = 7 and (", ")", 15), ("id in (8) or id = 7 and not (", ")", 7)):
        assert count(opening * limit + "id = 7" + closing * limit) in (0, 1)
        with pytest.raises(ValueError, match="more than 16 levels deep"):
            count(opening * (limit + 1) + "id = 7" + closing * (limit + 1))
    with pytest.raises(TypeError, match="where: expected a condition as text"):
        parse_where(5, [])  # type: ignore[arg-type]
