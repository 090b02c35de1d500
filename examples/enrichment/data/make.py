"""Makes the uploads of three clients with their dirt, the register of companies, and the table that has to come out.

What comes out is not computed from what goes in: each row begins as the truth, is written down for the expected table, and only
then gets dirty. `python data/make.py` writes the 10,000 rows of the example, and 500 into `data/small` for quick tests; it
always writes the same.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = 20261122
REPEATED, WITHOUT_WEBSITE = 0.04, 0.08

FIRST = [
    "Ana",
    "Björn",
    "Carmen",
    "Dmitri",
    "Elif",
    "Farid",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Katya",
    "Lars",
    "Mira",
    "Nadia",
    "Oskar",
    "Petra",
    "Quentin",
    "Rosa",
    "Sven",
    "Tamara",
    "Ugo",
    "Vera",
    "Wanda",
    "Xenia",
    "Yusuf",
    "Zoë",
]
LAST = [
    "Almeida",
    "Berg",
    "Costa",
    "Dahl",
    "Eriksen",
    "Fischer",
    "Gruber",
    "Horvat",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nilsen",
    "Olsen",
    "Petrov",
    "Quist",
    "Rossi",
    "Schäfer",
    "Tanaka",
    "Ursu",
    "Vidal",
    "Weiss",
    "Young",
    "Zeman",
]
WORDS = [
    "alder",
    "amber",
    "birch",
    "cedar",
    "cobalt",
    "coral",
    "delta",
    "ember",
    "falcon",
    "fjord",
    "granite",
    "harbor",
    "indigo",
    "juniper",
    "lagoon",
    "maple",
    "north",
    "onyx",
    "orchid",
    "quartz",
    "river",
    "saffron",
    "summit",
    "timber",
    "umbra",
    "vertex",
    "willow",
    "zephyr",
]
TRADES = {
    "logistics": "Logistics",
    "foods": "Food",
    "robotics": "Manufacturing",
    "clinic": "Health",
    "capital": "Finance",
    "studio": "Media",
    "energy": "Energy",
    "software": "Software",
}
COUNTRIES = ["AT", "DE", "DK", "ES", "FR", "IT", "MD", "NL", "NO", "PL", "RO", "SE"]
# Phrase, seniority, function.
TITLES = [
    ("CEO", "chief", "general"),
    ("Chief Executive Officer", "chief", "general"),
    ("CFO", "chief", "finance"),
    ("Chief Marketing Officer", "chief", "marketing"),
    ("CTO", "chief", "engineering"),
    ("Founder & Owner", "owner", "general"),
    ("Co-Founder", "owner", "general"),
    ("VP Sales", "director", "sales"),
    ("Vice President of Engineering", "director", "engineering"),
    ("Director of Finance", "director", "finance"),
    ("Marketing Director", "director", "marketing"),
    ("Head of Human Resources", "director", "people"),
    ("Sales Manager", "manager", "sales"),
    ("Engineering Team Lead", "manager", "engineering"),
    ("HR Manager", "manager", "people"),
    ("Operations Manager", "manager", "operations"),
    ("Account Executive", "staff", "sales"),
    ("Senior Software Developer", "staff", "engineering"),
    ("Recruiter", "staff", "people"),
    ("Accountant", "staff", "finance"),
    ("Content Marketing Specialist", "staff", "marketing"),
    ("Supply Chain Planner", "staff", "operations"),
    ("n/a", None, None),
    ("", None, None),
]
FREE, DISPOSABLE = ("freemail.example", "postbox.example"), "throwaway.example"


@dataclass(frozen=True)
class Company:
    """A company, as the register knows it."""

    domain: str
    name: str
    industry: str
    employees: int
    country: str


@dataclass(frozen=True)
class Expected:
    """A row of the table that has to come out."""

    client: str
    line: int
    name: str
    email: str | None
    email_kind: str
    domain: str | None
    seniority: str | None
    function: str | None
    company: str | None
    industry: str | None
    employees: int | None
    country: str | None
    is_complete: bool


@dataclass(frozen=True)
class Client:
    """How a client's files look."""

    name: str
    share: float
    columns: tuple[str, str, str, str]  # name, website, e-mail, title
    delimiter: str
    encoding: str


CLIENTS = (
    Client("fjord", 0.5, ("Name", "Website", "E-mail", "Job title"), ",", "utf-8"),
    Client("lumen", 0.3, ("contact", "url", "email", "role"), ";", "utf-8-sig"),
    Client("tallow", 0.2, ("CONTACT", "COMPANY_WEB", "MAIL", "POSITION"), "|", "cp1252"),
)


def companies(rng: random.Random, count: int) -> list[Company]:
    """Companies, each with a domain of its own."""
    found: dict[str, Company] = {}
    while len(found) < count:
        one, two, trade = rng.choice(WORDS), rng.choice(WORDS), rng.choice(list(TRADES))
        name = f"{one.title()} {two.title()} {trade.title()}"
        domain = f"{one}-{two}-{trade}.example"
        size = int(10 ** rng.uniform(0.5, 4.5))
        found.setdefault(domain, Company(domain, name, TRADES[trade], size, rng.choice(COUNTRIES)))
    return list(found.values())


def plain(name: str) -> str:
    """Letters as addresses have them."""
    table = str.maketrans({"ö": "o", "ä": "a", "ë": "e", "é": "e", "ü": "u"})
    return name.lower().translate(table)


def website(rng: random.Random, domain: str) -> str:
    """The domain as people type it."""
    return rng.choice(
        (
            domain,
            f"www.{domain}",
            f"https://{domain}/",
            f"HTTP://WWW.{domain.upper()}",
            f" https://www.{domain}/about?ref=fair ",
            f"http:/{domain}",
            f"{domain}.",
            f"//{domain}:443/en",
            f"mailto:info@{domain}",
        )
    )


def dirty(rng: random.Random, email: str) -> str:
    """An address that can still be read."""
    user, _, domain = email.partition("@")
    return rng.choice(
        (
            email,
            email,
            email,
            f"  {email} ",
            email.upper(),
            f"mailto:{email}",
            f"<{email}>",
            f"{email}.",
            f"{user} (at) {domain}",
            f"{user}@{domain};",
        )
    )


def broken(rng: random.Random, email: str) -> str:
    """An address that nobody can read."""
    user, _, domain = email.partition("@")
    return rng.choice(
        (
            f"{user}{domain}",
            f"{user}@@{domain}",
            f"{user}@",
            f"@{domain}",
            f"{user}..x@{domain}",
            f"{user}@{domain.partition('.')[0]}",
            "unknown",
            "",
        )
    )


def spoiled(rng: random.Random, text: str) -> str:
    """Text with blanks and capitals where they do not belong."""
    return rng.choice((text, text, text, text.upper(), text.lower(), f" {text}  "))


def address(rng: random.Random, name: str, domain: str) -> tuple[str | None, str, str]:
    """An address as it is, its kind, and as it stands in the file."""
    first, last = plain(name).split()
    kind = rng.choices(("business", "free", "role", "disposable", "malformed"), (76, 9, 5, 2, 8))[
        0
    ]
    user = rng.choice((f"{first}.{last}", f"{first[0]}{last}", f"{first}_{last}"))
    host = {"free": rng.choice(FREE), "disposable": DISPOSABLE}.get(kind, domain)
    user = rng.choice(("info", "sales", "office")) if kind == "role" else user
    email = f"{user}@{host}"
    if kind == "malformed":
        return None, kind, broken(rng, email)
    return email, kind, dirty(rng, email)


def rows(
    rng: random.Random, client: Client, count: int, known: list[Company], absent: set[str]
) -> Iterator[tuple[tuple[str, ...], Expected | None]]:
    """Rows of a file with what is expected of each; None for one that says again who is there already."""
    seen: list[tuple[str, Company, str, tuple[str | None, str | None]]] = []
    told: set[str] = set()
    for line in range(1, count + 1):
        again = seen and rng.random() < REPEATED
        if again:
            name, company, email, (seniority, function) = rng.choice(seen)
            kind, typed, title = (
                "business",
                dirty(rng, email),
                next(phrase for phrase, *rank in TITLES if rank == [seniority, function]),
            )
        else:
            name, company = f"{rng.choice(FIRST)} {rng.choice(LAST)}", rng.choice(known)
            title, seniority, function = rng.choice(TITLES)
            found, kind, typed = address(rng, name, company.domain)
            email = found or ""
        # Without a website, the domain of a business address is the company's.
        no_website = rng.random() < WITHOUT_WEBSITE
        site = rng.choice(("", "-", "none")) if no_website else website(rng, company.domain)
        domain = None if no_website and kind not in {"business", "role"} else company.domain
        if kind == "business" and not again:
            seen.append((name, company, email, (seniority, function)))
        raw = (spoiled(rng, name), site, typed, spoiled(rng, title))
        if email and email in told:
            yield raw, None
            continue
        told |= {email} if email else set()
        is_known = domain is not None and domain not in absent
        facts = company if is_known else None
        yield (
            raw,
            Expected(
                client=client.name,
                line=line,
                name=" ".join(part.capitalize() for part in name.split()),
                email=email or None,
                email_kind=kind,
                domain=domain,
                seniority=seniority,
                function=function,
                company=facts.name if facts else None,
                industry=facts.industry if facts else None,
                employees=facts.employees if facts else None,
                country=facts.country if facts else None,
                is_complete=domain is None or is_known,
            ),
        )


def table(head: tuple[str, ...], body: list[tuple[object, ...]], delimiter: str = ",") -> str:
    """CSV."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([head, *body])
    return text.getvalue()


def make(count: int, folder: Path, write: Callable[[Path, bytes], None]) -> None:
    """Write the uploads of so many rows, the register, and what has to come out."""
    rng = random.Random(SEED)  # noqa: S311 - the same rows for everybody, and no secret
    known = companies(rng, max(20, count // 8))
    # The register does not know them yet, which is what dead letters are for.
    absent = {company.domain for company in rng.sample(known, max(1, len(known) // 100))}
    expected: list[Expected] = []
    for client in CLIENTS:
        made = list(rows(rng, client, int(count * client.share), known, absent))
        text = table(client.columns, [raw for raw, _ in made], client.delimiter)
        write(folder / "uploads" / f"{client.name}-2026-11.csv", text.encode(client.encoding))
        expected += [row for _, row in made if row is not None]
    companies_head = tuple(field.name for field in fields(Company))
    listed = [astuple(one) for one in known if one.domain not in absent]
    write(folder / "register.csv", table(companies_head, listed).encode())
    late = [astuple(one) for one in known if one.domain in absent]
    write(folder / "later" / "register-december.csv", table(companies_head, late).encode())
    head = tuple(field.name for field in fields(Expected))
    write(folder / "expected.csv", table(head, [astuple(one) for one in expected]).encode())


def write_plain(path: Path, content: bytes) -> None:
    """A file as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_packed(path: Path, content: bytes) -> None:
    """A file packed, the same at every time."""
    write_plain(path.with_name(f"{path.name}.gz"), gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    make(10_000, HERE, write_packed)
    make(500, HERE / "small", write_plain)
