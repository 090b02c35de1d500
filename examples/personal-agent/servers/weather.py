"""The weather of the next days, by the API of Open-Meteo, which asks for no account.

`WEATHER_URL` says where it is: Open-Meteo itself, a server of your own, or the stand-in beside this file.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

DAILY = "weather_code,temperature_2m_min,temperature_2m_max,precipitation_sum"
WORDS = {0: "clear", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "rime fog", 51: "light drizzle", 61: "light rain", 63: "rain", 65: "heavy rain", 71: "light snow", 73: "snow", 75: "heavy snow", 80: "showers", 95: "thunderstorm"}  # fmt: skip

server = MCPServer("weather")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def forecast(latitude: float, longitude: float, days: int = 2) -> dict[str, Any]:
    """What the weather will be like at a place, day by day, today first."""
    place = {"latitude": latitude, "longitude": longitude}
    asked = urlencode({**place, "daily": DAILY, "timezone": "auto", "forecast_days": days})
    url = os.environ["WEATHER_URL"]
    try:
        with urlopen(f"{url}/v1/forecast?{asked}", timeout=20) as answer:  # noqa: S310 - the environment names it
            daily = json.load(answer)["daily"]
    except (OSError, ValueError) as error:
        raise ToolError(f"{url}: {error}") from error
    rows = zip(
        daily["time"],
        daily["weather_code"],
        daily["temperature_2m_min"],
        daily["temperature_2m_max"],
        daily["precipitation_sum"],
        strict=True,
    )
    return {"days": [described(*row) for row in rows]}


def described(date: str, code: int, low: float, high: float, rain: float) -> dict[str, Any]:
    """A day; the code is one of the WMO's table 4677."""
    words = WORDS.get(code, f"weather of code {code}")
    return {
        "date": date,
        "words": words,
        "low_celsius": low,
        "high_celsius": high,
        "rain_mm": rain,
    }


if __name__ == "__main__":
    server.run()
