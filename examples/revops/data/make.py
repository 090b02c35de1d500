"""Makes the sample data of this example: a CRM, a partner-network export, and labels of which belong together.

The same seed and scale give the same files. Every company, person and domain is invented. What makes matching hard is made on
purpose: names written in several ways, companies of one group in two countries, companies that only sound alike, further
phases of the same project, and projects of other customers in the same words.

    python data/make.py                        # renews the files beside this one
    python data/make.py --scale 10 --into DIR  # ten times as much
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from invented import AWS_STAGES, COUNTRIES, FAMILIES, FIRST, PEOPLE, PUBLIC_MAIL, SECOND, STAGES

T = TypeVar("T")
HERE: Final = Path(__file__).parent
START: Final = datetime(2026, 1, 5, 8, 0)  # noqa: DTZ001 - Odoo writes UTC without an offset


@dataclass(frozen=True, slots=True)
class Company:
    """A company as it is: `group` holds those that are easily taken for one another."""

    name: str
    suffix: str
    country: str
    domain: str
    group: str


@dataclass(frozen=True, slots=True)
class Project:
    """What somebody wants done: what a lead and an opportunity may both be about."""

    company: Company
    family: str
    place: str
    budget: int
    ends: date


class Maker:
    """Draws everything from one seeded generator.

    Attributes:
        partners: rows of `res.partner`.
        leads: rows of `crm.lead`.
        opportunities: rows of the export.
        labels: which opportunity belongs to which lead, and which certainly does not.
    """

    def __init__(self, seed: int, scale: float) -> None:
        self._random = random.Random(seed)  # noqa: S311 - sample data
        self._scale = scale
        self.partners: list[dict[str, Any]] = []
        self.leads: list[dict[str, Any]] = []
        self.opportunities: list[dict[str, Any]] = []
        self.labels: list[dict[str, Any]] = []
        self._partner_of: dict[Company, int] = {}

    def make(self) -> None:
        """Make everything, in an order that never changes."""
        companies = self._companies(int(520 * self._scale))
        known, strangers = (
            companies[: len(companies) * 9 // 10],
            companies[len(companies) * 9 // 10 :],
        )
        for company in known:
            self._partner(company)
        projects = [
            self._project(company)
            for company in known
            for _ in range(self._random.choice((1, 2, 2, 3, 4)))
        ]
        projects += [self._phase(project) for project in self._sample(projects, 0.08)]
        leads = [(project, self._lead(project)) for project in projects]
        for project, lead in self._sample(leads, 0.26):
            self._opportunity(project, lead, "same project")
        for project, lead in self._sample(leads, 0.05):
            taken = {other.family for other in projects if other.company == project.company}
            different = self._other_family(project, taken)
            self._opportunity(different, lead, "same company, other project", matches=False)
        for project, lead in self._sample(leads, 0.05):
            self._opportunity(
                self._phase(project), lead, "same project, other place", matches=False
            )
        for project, lead in self._sample(leads, 0.04):
            self._opportunity(
                self._lookalike(project), lead, "company that sounds alike", matches=False
            )
        for company in strangers:
            self._opportunity(self._project(company), None, "nobody in the CRM", matches=False)
        self._random.shuffle(self.opportunities)

    def _sample(self, of: Sequence[T], share: float) -> list[T]:
        return self._random.sample(of, int(len(of) * share))

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance

    def _companies(self, count: int) -> list[Company]:
        made: list[Company] = []
        seen: set[str] = set()
        while len(made) < count:
            words = [self._random.choice(FIRST), self._random.choice(SECOND)]
            if self._happens(0.45) or self._scale > 1:
                words.insert(1, self._random.choice(FIRST))
            name = " ".join(words)
            if name in seen:
                continue
            seen.add(name)
            made.append(self._company(name, name))
            if self._happens(0.1):
                made.append(self._company(name, name, apart_from=made[-1].country))
        self._random.shuffle(made)
        return made

    def _company(self, name: str, group: str, apart_from: str = "") -> Company:
        country = self._random.choice([code for code in COUNTRIES if code != apart_from])
        domain = f"{slug(name)}{'-' + country.lower() if apart_from else ''}.example"
        return Company(name, self._random.choice(COUNTRIES[country][1]), country, domain, group)

    def _partner(self, company: Company) -> None:
        rows = [(self._written(company, 0.2), self._website(company, 0.85))]
        if self._happens(0.15):
            rows.append((self._written(company, 0.9), self._website(company, 0.6)))
        for name, website in rows:
            self._partner_row(
                name, company, website=website, is_company=True, email=f"info@{company.domain}"
            )
            self._partner_of.setdefault(company, len(self.partners))
        if self._happens(0.5):
            person = f"{self._random.choice(PEOPLE)} {self._random.choice(FIRST)}"
            host = company.domain if self._happens(0.8) else self._random.choice(PUBLIC_MAIL)
            email = f"{slug(person)}@{host}"
            self._partner_row(person, company, website="", is_company=False, email=email)

    def _partner_row(
        self, name: str, company: Company, *, website: str, is_company: bool, email: str
    ) -> None:
        self.partners.append(
            {
                "id": len(self.partners) + 1,
                "name": name,
                "is_company": is_company,
                "parent_id": "" if is_company else self._partner_of[company],
                "email": email if not is_company or self._happens(0.5) else "",
                "website": website,
                "country_code": company.country,
                "write_date": self._moment(),
            }
        )

    def _project(self, company: Company) -> Project:
        return Project(
            company,
            self._random.choice(list(FAMILIES)),
            self._random.choice(
                ["headquarters", "all branches", "the north", "the south", "two plants"]
            ),
            self._random.choice([20, 35, 50, 80, 120, 200, 350]) * 1000,
            date(2026, 12, 1) + timedelta(days=self._random.randrange(400)),
        )

    def _phase(self, project: Project) -> Project:
        """The same again elsewhere, later: what people confuse first."""
        place = self._random.choice(["the second site", "the subsidiary", "phase two"])
        later = project.ends + timedelta(days=self._random.randrange(60, 300))
        return Project(project.company, project.family, place, project.budget * 2 // 3, later)

    def _other_family(self, project: Project, taken: Collection[str]) -> Project:
        family = self._random.choice([name for name in FAMILIES if name not in taken])
        return Project(project.company, family, project.place, project.budget, project.ends)

    def _lookalike(self, project: Project) -> Project:
        first, *rest = project.company.name.split()
        sounds = (
            f"{first} {self._random.choice(FIRST)} {rest[-1]}"
            if len(rest) == 1
            else f"{first} {rest[-1]}"
        )
        company = self._company(
            sounds, project.company.group, apart_from=self._random.choice(list(COUNTRIES))
        )
        return Project(company, project.family, project.place, project.budget, project.ends)

    def _lead(self, project: Project) -> int:
        titles, _, description, _ = FAMILIES[project.family]
        partner = self._partner_of[project.company]
        by_hand = self._happens(0.08)
        identity = len(self.leads) + 1
        self.leads.append(
            {
                "id": identity,
                "name": f"{self._random.choice(titles)}, {project.place}",
                "type": "opportunity" if self._happens(0.7) else "lead",
                "partner_id": "" if by_hand else partner,
                "partner_name": self._written(project.company, 0.7) if by_hand else "",
                "email_from": f"{slug(self._random.choice(PEOPLE))}@{project.company.domain}"
                if by_hand
                else "",
                "country_code": project.company.country,
                "stage_id": self._random.choice(STAGES),
                "expected_revenue": project.budget,
                "date_deadline": project.ends.isoformat(),
                "description": description,
                "write_date": self._moment(),
            }
        )
        return identity

    def _opportunity(
        self, project: Project, lead: int | None, kind: str, *, matches: bool = True
    ) -> None:
        _, titles, _, description = FAMILIES[project.family]
        company, number = project.company, len(self.opportunities) + 1
        identity = f"O{4_200_000 + number * 7}"
        months = self._random.choice([12, 12, 24, 36])
        where = f" for {project.place}" if self._happens(0.75) else ""
        self.opportunities.append(
            {
                "Opportunity ID": identity,
                "Customer Company Name": self._written(company, 0.6),
                "Customer Website": self._website(company, 0.7),
                "Country": COUNTRIES[company.country][0]
                if self._happens(0.9)
                else company.country,
                "Partner Project Title": f"{self._random.choice(titles)}{where}",
                "Customer Business Problem": description,
                "Stage": self._random.choice(AWS_STAGES),
                "Estimated AWS Monthly Recurring Revenue": round(
                    project.budget * self._random.uniform(0.15, 0.5) / months, 2
                ),
                "Target Close Date": (
                    project.ends + timedelta(days=self._random.randint(-25, 40))
                ).isoformat(),
                "Last Modified Date": self._moment().replace(" ", "T") + "Z",
            }
        )
        self.labels.append(
            {
                "opportunity": identity,
                "lead": lead or "",
                "match": int(matches),
                "kind": kind,
                "part": part(company.group),
            }
        )

    def _written(self, company: Company, variation: float) -> str:
        """The company's name as somebody would write it, more or less carefully."""
        whole = f"{company.name} {company.suffix}"
        if self._random.random() >= variation:
            return whole
        ways = (
            company.name,
            whole.upper(),
            plain(whole),
            f"{company.name}, {company.suffix.replace('.', '')}",
            f"{company.name} Group",
            f"The {company.name} {company.suffix}",
            f"{company.name.split()[0]} {company.name.split()[-1][:4]}.",
        )
        return self._random.choices(ways, weights=[5, 3, 5, 4, 2, 1, 1])[0]

    def _website(self, company: Company, known: float) -> str:
        if self._random.random() >= known:
            return ""
        return self._random.choice(["https://www.{}/", "http://{}", "{}", "www.{}"]).format(
            company.domain
        )

    def _moment(self) -> str:
        moment = START + timedelta(seconds=self._random.randrange(300 * 24 * 3600))
        return moment.isoformat(sep=" ")


def plain(text: str) -> str:
    """Without accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def slug(text: str) -> str:
    """As it stands in a domain."""
    return plain(text).lower().replace(" ", "-")


def part(group: str) -> str:
    """For choosing thresholds, or for measuring: companies that are confused with one another are in the same part."""
    return "tune" if hashlib.sha256(group.encode()).digest()[0] % 2 else "held_out"


def write(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV."""
    rows = list(rows)
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Make the files."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seed", type=int, default=8)
    options.add_argument("--scale", type=float, default=1.0)
    options.add_argument("--into", type=Path, default=HERE)
    asked = options.parse_args()
    maker = Maker(asked.seed, asked.scale)
    maker.make()
    asked.into.mkdir(parents=True, exist_ok=True)
    for name in ("partners", "leads", "opportunities", "labels"):
        rows = getattr(maker, name)
        write(asked.into / f"{name}.csv", rows)
        print(f"{name}.csv: {len(rows)} rows")


if __name__ == "__main__":
    main()
