"""A stand-in for a weather service: answers from a recorded forecast, the same every day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

FORECASTS = Path(__file__).parent.parent / "data" / "forecast.json"

server = MCPServer("weather-stand-in")


@server.tool()
def forecast(city: str) -> dict[str, Any]:
    """The recorded forecast for a city."""
    forecasts: dict[str, dict[str, Any]] = json.loads(FORECASTS.read_text(encoding="utf-8"))
    if city not in forecasts:
        raise ToolError(f"no forecast was recorded for {city}; there is {', '.join(forecasts)}")
    return {"city": city, **forecasts[city], "source": "recorded, not measured"}


if __name__ == "__main__":
    server.run()
