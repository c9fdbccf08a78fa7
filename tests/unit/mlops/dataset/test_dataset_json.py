import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.dataset.dataset_json import DatasetSettings, SettingsInvalid, parse_settings


@pytest.mark.parametrize("text", [None, "", "  \n", "{}"])
def test_nothing_said_means_defaults(text: str | None) -> None:
    assert parse_settings(text) == DatasetSettings("auto", 0.2, 0.2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_encoding_that_editors_save_json_in_is_read(encoding: str, end: str) -> None:
    text = f'{{{end}"normal": ["fehlerfrei_ä"]{end}}}{end}'

    assert parse_settings(text.encode(encoding)).normal == ("fehlerfrei_ä",)


def test_bytes_that_are_no_text_are_named() -> None:
    with pytest.raises(SettingsInvalid, match="not text"):
        parse_settings(b'{"split": "\xff"}')


def test_given_fields_override_defaults() -> None:
    text = '{"split": "pool", "test_fraction": 0.3, "holdout_fraction": 0}'

    assert parse_settings(text) == DatasetSettings("pool", 0.3, 0)


def test_tasks_come_in_the_order_of_the_pipeline_whatever_is_written() -> None:
    assert parse_settings('{"tasks": ["detection", "classification"]}').tasks == ("classification", "detection")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{split: auto}", "not valid JSON"),
        ('{"split": "pool", "split": "auto"}', "has the field 'split' twice"),
        ('{"normal": "MT_Free"}', "normal is 'MT_Free'; it must be a list"),
        ('{"normal": [" "]}', "normal is [' ']"),
        ("[" * 200_000, "not valid JSON"),
        ('["auto"]', "one JSON object"),
        ("null", "one JSON object"),
        (
            '{"splitt": "auto"}',
            "unknown field 'splitt'; known are costs, groups, holdout_fraction, normal, split, tasks, test_fraction, "
            "tiles, window",
        ),
        ('{"split": "random"}', "split is 'random'; it must be auto, folders or pool"),
        ('{"split": ["auto"]}', "split is"),
        ('{"test_fraction": "0.2"}', "test_fraction is '0.2'"),
        ('{"test_fraction": true}', "test_fraction is True"),
        ('{"test_fraction": NaN}', "test_fraction is nan"),
        ('{"holdout_fraction": -0.1}', "holdout_fraction is -0.1"),
        ('{"tasks": "detection"}', "tasks is 'detection'; it must be a list of classification and detection"),
        ('{"tasks": ["segmentation"]}', "tasks is ['segmentation']"),
        ('{"holdout_fraction": 1}', "holdout_fraction is 1"),
        ('{"test_fraction": 0}', "test_fraction must be above 0"),
        ('{"test_fraction": 0.5, "holdout_fraction": 0.5}', "leave nothing to train on"),
        ('{"tiles": 63}', "tiles is 63; it must be the side of a tile in pixels, 64 to 2048"),
        ('{"tiles": 2049}', "tiles is 2049"),
        ('{"tiles": 640.5}', "tiles is 640.5"),
        ('{"tiles": true}', "tiles is True"),
        ('{"tiles": [640, 480]}', "tiles is [640, 480]"),
    ],
)
def test_a_mistake_is_named(text: str, said: str) -> None:
    with pytest.raises(SettingsInvalid) as raised:
        parse_settings(text)

    assert said in str(raised.value)
    assert "dataset.json" in str(raised.value)


def test_tiles_are_said_where_they_are_given() -> None:
    assert parse_settings('{"tiles": 1280}').as_dict()["tiles"] == 1280
    assert "tiles" not in parse_settings("{}").as_dict()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4))
def test_any_value_is_taken_or_refused_by_name(value: object) -> None:
    for field in ("split", "test_fraction", "holdout_fraction", "tasks", "normal", "tiles"):
        try:
            parse_settings(json.dumps({field: value}))
        except SettingsInvalid as error:
            assert "dataset.json" in str(error)


def test_costs_are_numbers_by_label() -> None:
    settings = parse_settings('{"costs": {"cut": {"escape": 10}, "bent": {"escape": 2, "overkill": 0.5}}}')

    assert settings.as_dict()["costs"] == {"cut": {"escape": 10.0}, "bent": {"escape": 2.0, "overkill": 0.5}}
    assert "costs" not in parse_settings("{}").as_dict()


@pytest.mark.parametrize(
    "costs",
    [
        '{"cut": 3}',
        '{"cut": {}}',
        '{"cut": {"miss": 1}}',
        '{"cut": {"escape": 0}}',
        '{"cut": {"escape": 1e999}}',
        '{"cut": {"escape": true}}',
        "[]",
    ],
)
def test_what_is_no_cost_is_refused(costs: str) -> None:
    with pytest.raises(SettingsInvalid, match="costs is"):
        parse_settings(f'{{"costs": {costs}}}')
