"""Settings: where they come from, what wins, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runtime.config import Config, base_environment
from runtime.errors import ConfigError


def load(tmp_path: Path, flags: dict[str, object] | None = None, **environ: str) -> Config:
    return Config.load(flags, environ=environ, folder=tmp_path)


def test_without_any_source_the_defaults_stand(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "ordinaut.toml").write_text('specs = "a"\nlease = "5s"\nconcurrency = 3\n')

    config = load(tmp_path, {"specs": "c"}, ORDINAUT_SPECS="b", ORDINAUT_LEASE="7s")

    assert (config.specs, config.lease, config.concurrency) == (Path("c"), timedelta(seconds=7), 3)


@pytest.mark.parametrize(
    ("cwd", "specs", "state"),
    [
        (".", "home/specs", "home/.ordinaut"),
        (".", "home/specs/", "home/.ordinaut"),
        ("home", "specs", ".ordinaut"),
        ("home", "{tmp}/home/specs", "{tmp}/home/.ordinaut"),
        ("home/specs", ".", "{tmp}/home/.ordinaut"),
        ("home/specs/one", "..", "{tmp}/home/.ordinaut"),
        # What a branch of a repository has, and this machine does not.
        ("home", "home/specs", ".ordinaut"),
    ],
)
def test_the_state_lies_beside_the_specs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cwd: str, specs: str, state: str
) -> None:
    (tmp_path / "home/specs/one").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / cwd)

    config = load(tmp_path, {"specs": specs.format(tmp=tmp_path)})

    assert config.state_dir == Path(state.format(tmp=tmp_path))
    if config.specs.is_dir():
        assert config.project.absolute() == tmp_path / "home"


def test_a_state_folder_that_is_named_is_taken_as_it_is(tmp_path: Path) -> None:
    config = load(tmp_path, {"specs": str(tmp_path)}, ORDINAUT_STATE_DIR="elsewhere")

    assert config.state_dir == Path("elsewhere")


def test_a_flag_that_was_not_given_and_an_empty_variable_count_for_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, {"specs": None}, ORDINAUT_SPECS="").specs == Path("specs")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LEASE", "0s", "setting lease: must be longer than zero"),
        ("LEASE", "5", "setting lease: "),
        ("CONCURRENCY", "0", "setting concurrency: must be at least 1"),
        ("CONCURRENCY", "many", "setting concurrency: "),
        (
            "REDIS_URL",
            "http://x",
            "setting redis_url: must begin with one of redis://, rediss://, unix://, redis+sentinel://",
        ),
        ("REDIS_URL", "redis+sentinel://one,two", "setting redis_url: must name the service"),
        ("STREAM", "odd{}:events", "setting stream: braces in it must hold a hash tag"),
        ("STREAM", "{a}{b}", "setting stream: braces in it must hold a hash tag"),
        ("LOG_LEVEL", "loud", "setting log_level: must be debug, info, warning or error"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    tmp_path: Path, name: str, value: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, **{f"ORDINAUT_{name}": value})

    assert refused.value.message.startswith(message)


def test_an_unknown_setting_in_the_file_is_refused_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "ordinaut.toml").write_text("leese = 3\n")

    with pytest.raises(ConfigError, match=r"unknown setting leese\n  settings are: database_url"):
        load(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "ordinaut.toml").write_text("= 3\n")

    with pytest.raises(ConfigError, match=r"ordinaut\.toml could not be read"):
        load(tmp_path)


def test_a_setting_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ordinaut.toml").write_text("environment = 3\n")

    with pytest.raises(ConfigError, match="setting environment: must be text"):
        load(tmp_path)


def test_addresses_are_not_shown_with_the_configuration(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        ORDINAUT_DATABASE_URL="postgresql://u:secret@h/d",
        ORDINAUT_REDIS_URL="redis://:secret@h",
    )

    assert "secret" not in repr(config)


def test_child_processes_get_a_few_variables_and_nothing_of_ours() -> None:
    environ = {"PATH": "/bin", "HOME": "/root", "ORDINAUT_DATABASE_URL": "x", "AWS_SECRET": "y"}

    assert base_environment(environ) == {"PATH": "/bin", "HOME": "/root"}


def test_the_standard_variables_name_the_collector_of_traces_unless_ours_do(
    tmp_path: Path,
) -> None:
    standard = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}
    whole = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:4318/otlp/of/home"}

    assert load(tmp_path).traces_url is None
    assert load(tmp_path, **standard).traces_url == "http://collector:4318/v1/traces"
    assert load(tmp_path, **standard, **whole).traces_url == "http://traces:4318/otlp/of/home"
    ours = load(tmp_path, **standard, **whole, ORDINAUT_OTLP_ENDPOINT="http://other:4318")
    assert ours.traces_url == "http://other:4318/v1/traces"
    both = {**standard, "ORDINAUT_OTLP_TRACES_ENDPOINT": "http://other:4318/spans"}
    assert load(tmp_path, **both).traces_url == "http://other:4318/spans"


def test_the_format_of_logs_depends_on_the_terminal_unless_it_is_said(tmp_path: Path) -> None:
    assert load(tmp_path).logs_as_json is None
    assert load(tmp_path, ORDINAUT_LOG_FORMAT="json").logs_as_json is True
    assert load(tmp_path, ORDINAUT_LOG_FORMAT="text").logs_as_json is False
    with pytest.raises(ConfigError, match="setting log_format: must be json or text"):
        load(tmp_path, ORDINAUT_LOG_FORMAT="xml")


@pytest.mark.parametrize("topics", [{}, {"topic_streams": "run.*, step.failed"}])
def test_another_process_gets_the_same_settings(topics: dict[str, str], tmp_path: Path) -> None:
    folders = {"state_dir": str(tmp_path / "state"), "specs": str(tmp_path / "specs")}
    config = Config.load({**folders, **topics, "poll": "2s"}, environ={})

    assert Config.load(config.as_flags(), environ={}) == config
