import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.dataset.labels import NORMAL, label_of, likeness, looks_like_no_defect, means_no_defect, unified

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1).filter(likeness)


@given(names, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]), st.sampled_from(["", " ", "\u00a0", "\u200b"]))
def test_names_in_any_unicode_form_and_with_any_blanks_around_look_alike(name: str, form: str, blank: str) -> None:
    # Some characters change for good in a form of compatibility.
    written = unicodedata.normalize("NFKC", name)

    assert likeness(f"{blank}{unicodedata.normalize(form, written)}{blank}") == likeness(written)


@given(st.lists(names, min_size=1))
def test_which_name_stands_depends_on_no_order(labels: list[str]) -> None:
    assert unified(reversed(labels)) == unified(labels)


@given(st.sets(names, min_size=2, max_size=2))
def test_only_labels_that_look_alike_or_mean_no_defect_become_one(labels: set[str]) -> None:
    one, other = labels
    found = unified(labels)

    if found[one] == found[other] != NORMAL:
        assert likeness(one) == likeness(other)


@pytest.mark.parametrize("name", ["good", "GOOD", "Ok", "pass", "no-defect", "No  Defect", "defectFree", "\uff27ood"])
def test_usual_names_mean_no_defect(name: str) -> None:
    assert means_no_defect(name)
    assert label_of(name) == NORMAL


@pytest.mark.parametrize(
    "name", ["ng", "not ok", "no_good", "no_lead", "non-conforming", "goodrich", "freeze", "passivation"]
)
def test_other_names_neither_mean_nor_suggest_no_defect(name: str) -> None:
    assert not means_no_defect(name)
    assert not looks_like_no_defect(name)


@pytest.mark.parametrize(
    "name", ["MT_Free", "ok2", "goods", "Good Parts", "okay", "no_defects", "without fault", "Intact"]
)
def test_names_that_suggest_no_defect_are_asked_about(name: str) -> None:
    assert looks_like_no_defect(name)
    assert not means_no_defect(name)


def test_a_label_keeps_its_name_whatever_other_spellings_come() -> None:
    assert unified(["scratch"]) | unified(["Scratch", "scratch", "SCRATCH"]) == dict.fromkeys(
        ["scratch", "Scratch", "SCRATCH"], "scratch"
    )


def test_names_that_settings_call_normal_are_read_as_people_write_them() -> None:
    assert unified(["MT_Free", "MT_Crack"], [" mt_free"]) == {"MT_Free": NORMAL, "MT_Crack": "MT_Crack"}
