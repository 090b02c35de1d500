"""What the Project that is in force holds plans to: its guards, and policies of its own.

What is in force judges, so that no plan loosens a rule and makes use of that at once. Policies that a plan brings judge
it too; guards count from the next plan on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from schemas.rules import Guards, Policy

if TYPE_CHECKING:
    from schemas.project import Project


@dataclass(frozen=True, slots=True)
class Rules:
    """Guards and policies of one Project; the defaults, and no policies, before the first apply."""

    guards: Guards = field(default_factory=Guards)
    policies: Mapping[str, Policy] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project) -> Self:
        """The rules of a Project document."""
        return cls(project.guards, project.policies or {})

    @classmethod
    def of_body(cls, body: Mapping[str, Any]) -> Self:
        """The rules in the normalised form of a Project, as it was applied."""
        return cls(Guards.model_validate(body["guards"]), policies_in(body))


def policies_in(body: Mapping[str, Any]) -> dict[str, Policy]:
    """The policies in the normalised form of a Project."""
    return {name: Policy.model_validate(one) for name, one in body.get("policies", {}).items()}
