import pytest

from pvhdbg.live.gdb.results import Results
from pvhdbg.target.mi.client import MiError

RESULTS = Results(
    {
        "text": "words",
        "decimal": "12",
        "hex": "0xffffffff81000000",
        "long": "9" * 5000,
        "texts": ["one", "two"],
        "tuple": {"number": "1"},
        "tuples": [{"number": "1"}, {"number": "2"}],
    }
)


def test_values_of_the_right_type_are_returned() -> None:
    assert "words" == RESULTS.text("text")
    assert (12, 0xFFFFFFFF81000000) == (RESULTS.number("decimal"), RESULTS.number("hex", 16))
    assert ["one", "two"] == RESULTS.texts("texts")
    assert 1 == RESULTS.results("tuple").number("number")
    assert [1, 2] == [entry.number("number") for entry in RESULTS.results_list("tuples")]


def test_a_missing_text_has_the_default_and_a_missing_list_or_tuple_is_empty() -> None:
    assert "nothing" == RESULTS.text("missing", "nothing")
    assert ([], []) == (RESULTS.texts("missing"), RESULTS.results_list("missing"))
    assert "number" not in RESULTS.results("missing")


@pytest.mark.parametrize("name", ["texts", "tuple", "tuples", "missing"])
def test_a_value_that_is_not_a_text_is_an_mi_error(name: str) -> None:
    with pytest.raises(MiError, match=f"^gdb's answer has no string {name}$"):
        RESULTS.text(name)


@pytest.mark.parametrize("name", ["text", "long", "texts", "tuple", "missing", "hex"])
def test_a_value_that_is_not_a_decimal_number_is_an_mi_error(name: str) -> None:
    with pytest.raises(MiError, match=f"^gdb's answer has no (number|string) {name}$"):
        RESULTS.number(name)


@pytest.mark.parametrize("name", ["text", "tuple", "tuples"])
def test_a_value_that_is_not_a_list_of_texts_is_an_mi_error(name: str) -> None:
    with pytest.raises(MiError, match=f"^gdb's answer has no (list|strings in) {name}$"):
        RESULTS.texts(name)


@pytest.mark.parametrize("name", ["text", "texts", "tuples"])
def test_a_value_that_is_not_a_tuple_is_an_mi_error(name: str) -> None:
    with pytest.raises(MiError, match=f"^gdb's answer has no tuple {name}$"):
        RESULTS.results(name)


@pytest.mark.parametrize("name", ["text", "texts", "tuple"])
def test_a_value_that_is_not_a_list_of_tuples_is_an_mi_error(name: str) -> None:
    with pytest.raises(MiError, match=f"^gdb's answer has no (list|tuple) {name}$"):
        RESULTS.results_list(name)
