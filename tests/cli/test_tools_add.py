"""`ordinaut tools add`: from what a registry says of a server to a document that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import Cli

WEATHER: dict[str, Any] = {
    "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
    "name": "io.github.somebody/Weather_MCP",
    "description": "Forecasts: for ${everywhere}",
    "version": "1.2.3",
    "packages": [
        {
            "registryType": "pypi",
            "identifier": "weather-mcp",
            "version": "1.2.3",
            "transport": {"type": "stdio"},
            "packageArguments": [
                {"type": "positional", "value": "serve"},
                {"type": "named", "name": "--cache", "default": "1h"},
                {"type": "named", "name": "--quiet", "isRequired": True},
                {"type": "named", "name": "--units", "choices": ["metric", "imperial"]},
                {"type": "positional", "valueHint": "region", "isRequired": True, "description": "Where\nto look"},
                {"type": "named", "name": "--token", "isSecret": True, "default": "x", "isRequired": True},
            ],
            "environmentVariables": [
                {"name": "API_KEY", "isRequired": True, "isSecret": True, "description": "The key"},
                {"name": "CITY", "isRequired": True, "placeholder": "Bari"},
                {"name": "LANGUAGE", "default": "en"},
                {"name": "PROXY_KEY", "isSecret": True},
                {"name": "LOGIN", "value": "{user}:{word}@{host} ${x}", "variables": {
                    "user": {"default": "me"}, "word": {"isSecret": True}, "host": {"description": "Which"}}},
            ],
        },
        {"registryType": "npm", "identifier": "@somebody/weather", "version": "1.2.3", "transport": {"type": "stdio"}},
        {"registryType": "npm", "identifier": "second", "version": "1", "transport": {"type": "stdio"}},
        {
            "registryType": "oci",
            "identifier": "ghcr.io/somebody/weather:1.2.3",
            "transport": {"type": "stdio"},
            "runtimeArguments": [{"type": "named", "name": "--network", "value": "none"}],
            "environmentVariables": [{"name": "API_KEY", "isRequired": True, "isSecret": True}],
        },
        {"registryType": "nuget", "identifier": "Weather", "transport": {"type": "stdio"}},
        {"registryType": "mcpb", "identifier": "https://x/weather.mcpb", "transport": {"type": "stdio"}},
        {"registryType": "pypi", "identifier": "web", "version": "1", "transport": {"type": "streamable-http", "url": "http://x"}},
    ],
    "remotes": [
        {
            "type": "streamable-http",
            "url": "https://{zone}.weather.example/mcp",
            "variables": {"zone": {"default": "eu"}},
            "headers": [{"name": "Authorization", "value": "Bearer {token}", "variables": {"token": {"isSecret": True}}}],
        },
        {"type": "sse", "url": "https://weather.example/{unknown}/sse"},
    ],
}  # fmt: skip


@pytest.fixture
def described(folder: Path) -> Path:
    path = folder / "server.json"
    path.write_text(json.dumps(WEATHER))
    return path


def document(folder: Path, name: str = "weather-mcp") -> dict[str, Any]:
    found = yaml.safe_load((folder / "specs" / "servers" / f"{name}.yaml").read_text())
    assert isinstance(found, dict)
    return found


def test_a_server_is_added_with_its_version_its_secrets_and_what_is_missing(
    alone: Cli, folder: Path, described: Path
) -> None:
    answer = alone("tools", "add", "server.json")

    assert (answer.status, answer.stdout) == (
        0,
        "wrote  specs/servers/weather-mcp.yaml  by pypi\n",
    )
    assert answer.stderr.splitlines() == [
        "Declare in the Project, under `secrets`:",
        "  weather_mcp_api_key: {env: API_KEY}",
        "  weather_mcp_word: {env: WORD}",
        "Fill in by hand:",
        "  env CITY; such as Bari",
        "  {host} in env LOGIN; Which",
        "  args region; Where to look",
        "  args --token; a secret",
        "It could be had by npm, oci, nuget, http, sse, too: `--by`.",
        "Next:",
        "  ordinaut tools test weather-mcp",
    ]
    assert document(folder) == {
        "apiVersion": "ordinaut/v1",
        "kind": "ToolServer",
        "name": "weather-mcp",
        "description": "Forecasts: for ${everywhere}",
        "stdio": {
            "command": "uvx",
            "args": ["weather-mcp@1.2.3", "serve", "--cache", "1h", "--quiet"],
            "env": {
                "API_KEY": "${secrets.weather_mcp_api_key}",
                "LANGUAGE": "en",
                "LOGIN": "me:${secrets.weather_mcp_word}@{host} $${x}",
            },
        },
    }
    text = (folder / "specs" / "servers" / "weather-mcp.yaml").read_text()
    assert text.splitlines()[:8] == [
        "# From io.github.somebody/Weather_MCP 1.2.3, as a registry describes it.",
        "# To be filled in: env CITY; such as Bari",
        "# To be filled in: {host} in env LOGIN; Which",
        "# To be filled in: args region; Where to look",
        "# To be filled in: args --token; a secret",
        "# May be given: env PROXY_KEY; a secret",
        "# May be given: args --units; one of metric, imperial",
        "apiVersion: ordinaut/v1",
    ]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("npm", {"stdio": {"command": "npx", "args": ["-y", "@somebody/weather@1.2.3"]}}),
        (
            "oci",
            {
                "stdio": {
                    "command": "docker",
                    "args": ["run", "-i", "--rm", "-e", "API_KEY", "--network", "none", "ghcr.io/somebody/weather:1.2.3"],
                    "env": {"API_KEY": "${secrets.weather_api_key}"},
                }
            },
        ),
        ("nuget", {"stdio": {"command": "dnx", "args": ["--yes", "Weather", "--"]}}),
        (
            "http",
            {
                "http": {
                    "url": "https://eu.weather.example/mcp",
                    "headers": {"Authorization": "Bearer ${secrets.weather_token}"},
                }
            },
        ),
        ("sse", {"http": {"url": "https://weather.example/{unknown}/sse", "transport": "sse"}}),
    ],
)  # fmt: skip
def test_every_way_becomes_what_runs_or_reaches_it(
    alone: Cli, folder: Path, described: Path, way: str, expected: dict[str, Any]
) -> None:
    answer = alone("tools", "add", "server.json", "--by", way, "--name", "weather", "--json")

    assert answer.status == 0
    assert answer.json["way"] == way
    found = document(folder, "weather")
    assert {name: found[name] for name in ("stdio", "http") if name in found} == expected
    if way == "nuget":
        assert answer.json["missing"] == [
            "the version of the package, so that what was reviewed is what runs"
        ]


def test_what_was_added_is_valid_once_its_secrets_are_declared(
    alone: Cli, folder: Path, described: Path
) -> None:
    alone("tools", "add", "server.json", "--by", "http")
    (folder / "specs" / "ordinaut.yaml").write_text(
        "apiVersion: ordinaut/v1\nkind: Project\nname: demo\nsecrets: {weather_mcp_token: {env: TOKEN}}\n"
    )

    assert alone("validate").status == 0


def test_a_registrys_answer_is_read_from_standard_input(alone: Cli, folder: Path) -> None:
    told = json.dumps({"server": WEATHER, "_meta": {"x": 1}})

    answer = alone("tools", "add", "-", stdin=told)

    assert answer.status == 0
    assert document(folder)["name"] == "weather-mcp"


def test_a_file_that_exists_is_never_written_over(
    alone: Cli, folder: Path, described: Path
) -> None:
    path = folder / "specs" / "servers" / "weather-mcp.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("mine")

    answer = alone("tools", "add", "server.json")

    assert answer.status == 1
    assert "exists already" in answer.stderr
    assert "--name NAME" in answer.stderr
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("{", [], "is no server.json"),
        ("[]", [], "is no server.json"),
        ('{"packages": []}', [], "`name`: Field required"),
        ('{"name": "a/b"}', [], "a/b cannot be added"),
        (json.dumps(WEATHER | {"remotes": []}), ["--by", "http"], "cannot be added by http"),
        ('{"name": "a/b", "remotes": [{"type": "sse", "url": "{base}/x"}]}', [], "`http.url`"),
        (
            json.dumps(
                WEATHER | {"packages": [WEATHER["packages"][0] | {"identifier": "--from=x"}]}
            ),
            [],
            "`packages.0.identifier`",
        ),
        (" " * 1_048_577, [], "it has more than 1,048,576 bytes"),
    ],
)
def test_what_cannot_be_added_is_told_and_nothing_is_written(
    alone: Cli, folder: Path, text: str, arguments: list[str], said: str
) -> None:
    (folder / "server.json").write_text(text)

    answer = alone("tools", "add", "server.json", *arguments)

    assert answer.status == 1
    assert "ORD423" in answer.stderr
    assert said in answer.stderr
    assert not (folder / "specs").exists()


def test_a_description_that_is_not_there_is_told(alone: Cli, folder: Path) -> None:
    answer = alone("tools", "add", "absent.json")

    assert answer.status == 1
    assert "absent.json cannot be read: No such file or directory" in answer.stderr
