"""What a model found in a picture is remembered for its copies, for nobody else, and not for ever."""

from collections.abc import Callable

from local.rekognition.learning.inference import Answers
from local.rekognition.learning.models import Found


def looks(seen: list[str], name: str) -> Callable[[], list[Found]]:
    def look() -> list[Found]:
        seen.append(name)
        return [Found(name, 0.5)]

    return look


def test_a_copy_of_a_model_is_not_asked_again_about_the_same_bytes() -> None:
    answers, seen = Answers(), list[str]()
    first = answers.find("model", b"picture", looks(seen, "original"))

    assert answers.find("model", b"picture", looks(seen, "copy")) == first
    assert seen == ["original"]


def test_another_model_and_another_picture_are_looked_at() -> None:
    answers, seen = Answers(), list[str]()
    for model, picture in (("one", b"picture"), ("other", b"picture"), ("one", b"another")):
        answers.find(model, picture, looks(seen, model))

    assert seen == ["one", "other", "one"]


def test_what_was_asked_for_longest_ago_is_forgotten() -> None:
    answers, seen = Answers(most=2), list[str]()
    for picture in (b"a", b"b", b"a", b"c", b"a", b"b"):
        answers.find("model", picture, looks(seen, picture.decode()))

    assert seen == ["a", "b", "c", "b"]
