"""The parameters that the laptop gives to the template."""

from pathlib import Path

import pytest

from local.cloud import sam


@pytest.mark.parametrize("written", ["\"A=1 B='two words'\"", '["A=1", "B=two words"]'])
def test_parameters_of_the_local_section_are_read_in_both_spellings(tmp_path: Path, written: str) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(f"version = 0.1\n[local.deploy.parameters]\nparameter_overrides = {written}\n")

    assert sam.local_parameters(config) == {"A": "1", "B": "two words"}


def test_configuration_without_local_section_gives_no_parameters(tmp_path: Path) -> None:
    (tmp_path / "samconfig.toml").write_text("version = 0.1\n")

    assert sam.local_parameters(tmp_path / "samconfig.toml") == {}
    assert sam.local_parameters(tmp_path / "missing.toml") == {}


@pytest.mark.parametrize(("machine", "expected"), [("aarch64", "arm64"), ("arm64", "arm64"), ("x86_64", "x86_64")])
def test_architecture_is_named_as_lambda_names_it(monkeypatch: pytest.MonkeyPatch, machine: str, expected: str) -> None:
    monkeypatch.setattr(sam.platform, "machine", lambda: machine)

    assert sam.runtime_parameters()["Architecture"] == expected
