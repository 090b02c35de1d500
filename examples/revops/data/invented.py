"""What the companies, people and projects of the sample data are called. All of it is invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

COUNTRIES: Final = {
    "DE": ("Germany", ["GmbH", "AG", "GmbH & Co. KG"]),
    "GB": ("United Kingdom", ["Ltd", "Limited", "PLC"]),
    "FR": ("France", ["SAS", "S.A.", "SARL"]),
    "RO": ("Romania", ["SRL", "S.A."]),
    "MD": ("Moldova", ["SRL", "S.A."]),
    "IT": ("Italy", ["S.p.A.", "S.r.l."]),
    "ES": ("Spain", ["S.L.", "S.A."]),
    "NL": ("Netherlands", ["B.V.", "N.V."]),
    "PL": ("Poland", ["Sp. z o.o.", "S.A."]),
    "US": ("United States", ["Inc.", "LLC", "Corp."]),
}
FIRST: Final = [
    "Arden",
    "Belvára",
    "Corvin",
    "Dálmar",
    "Estrel",
    "Fjordan",
    "Galéa",
    "Hestia",
    "Ivoria",
    "Jurán",
    "Kestrel",
    "Lorána",
    "Mirvel",
    "Nordax",
    "Orlano",
    "Pélagos",
    "Quintar",
    "Rovira",
    "Solvane",
    "Tamrin",
    "Ulvestad",
    "Valdór",
    "Westmar",
    "Xandria",
    "Ysolde",
    "Zerbino",
    "Almeris",
    "Brunova",
    "Cassel",
    "Drakemoor",
]
SECOND: Final = [
    "Logistics",
    "Foods",
    "Energy",
    "Textiles",
    "Pharma",
    "Robotics",
    "Insurance",
    "Shipping",
    "Optics",
    "Paper",
    "Motors",
    "Retail",
    "Banking",
    "Media",
    "Steel",
    "Travel",
    "Ceramics",
    "Dairy",
    "Health",
    "Aviation",
]
PUBLIC_MAIL: Final = ("postbox.example", "freemail.example")
PEOPLE: Final = [
    "Ada",
    "Boris",
    "Carla",
    "Dan",
    "Elena",
    "Felix",
    "Greta",
    "Horia",
    "Ines",
    "Jonas",
    "Klara",
    "Lev",
]
FAMILIES: Final[Mapping[str, tuple[Sequence[str], Sequence[str], str, str]]] = {
    "warehouse": (
        ("Data warehouse to the cloud", "New data warehouse", "Replace the reporting database"),
        (
            "Cloud data warehouse migration",
            "Analytics warehouse on managed services",
            "Reporting platform move",
        ),
        "Nightly loads take too long and month-end reports are late; the reporting database shall move to the cloud.",
        "Customer migrates its on-premises analytics warehouse so that reports finish before business hours.",
    ),
    "contact": (
        ("Contact centre renewal", "New call centre platform", "Telephony for the service desk"),
        (
            "Cloud contact center rollout",
            "Customer service telephony modernization",
            "Call center replacement",
        ),
        "The service desk's phone system is end of life; agents want chat and call routing in one place.",
        "Replaces a legacy telephone system for support agents with omnichannel routing and chat.",
    ),
    "sap": (
        ("ERP hosting", "Move ERP off our hardware", "ERP landscape renewal"),
        (
            "ERP migration to cloud infrastructure",
            "Hosting of the ERP landscape",
            "ERP lift and shift",
        ),
        "Leasing of the ERP servers ends; production, test and the disaster copy move off our hardware.",
        "Lift and shift of production and non-production ERP systems with disaster recovery.",
    ),
    "iot": (
        ("Machine data from the plants", "Sensor platform", "Predictive maintenance pilot"),
        (
            "Industrial IoT platform",
            "Sensor ingestion for predictive maintenance",
            "Connected factory",
        ),
        "Plants want vibration and temperature of machines collected, so that failures are seen before they happen.",
        "Collects telemetry of factory equipment and predicts failures from vibration and temperature.",
    ),
    "documents": (
        ("Reading invoices automatically", "Invoice capture", "Document intake"),
        (
            "Intelligent document processing for invoices",
            "Automated invoice extraction",
            "Document understanding",
        ),
        "Clerks type invoices by hand; amounts and suppliers shall be read from scans.",
        "Extracts suppliers and amounts from scanned invoices and feeds accounts payable.",
    ),
    "web": (
        ("Web shop relaunch", "New online shop", "Shop survives Black Friday"),
        ("E-commerce replatforming", "Online store modernization", "Scalable storefront"),
        "The web shop falls over on busy days; it shall scale with the visitors and load faster.",
        "Rebuilds the storefront on containers so that it scales with seasonal traffic.",
    ),
    "backup": (
        ("Backups outside the house", "Ransomware-safe backups", "Disaster recovery"),
        (
            "Immutable backup and disaster recovery",
            "Offsite backup vault",
            "Ransomware resilience",
        ),
        "After the audit, backups must lie where nobody here can delete them, with a restore test every quarter.",
        "Immutable offsite backups with regular restore tests to withstand ransomware.",
    ),
    "assistant": (
        ("Assistant for our manuals", "Search in service documents", "Answers for technicians"),
        (
            "Generative AI assistant over manuals",
            "Knowledge search for field service",
            "RAG over documentation",
        ),
        "Technicians look for answers in 4,000 manuals; an assistant shall find and quote the page.",
        "Retrieval-augmented answers for field technicians with citations from product manuals.",
    ),
    "identity": (
        ("One login for everything", "Single sign-on", "Identity clean-up"),
        (
            "Workforce identity consolidation",
            "Single sign-on and access governance",
            "Directory modernization",
        ),
        "Employees have seven passwords; leavers keep access. One login, and access that ends with the contract.",
        "Consolidates directories into one workforce identity with joiner-mover-leaver automation.",
    ),
    "video": (
        ("Cameras in the branches", "Video archive", "Footage to the cloud"),
        (
            "Video archive in object storage",
            "Branch surveillance footage platform",
            "Media storage tiering",
        ),
        "Recorders in the branches fail; footage shall be kept 90 days outside and be found by time and place.",
        "Stores surveillance footage of branches in tiered object storage with search by time.",
    ),
}
STAGES: Final = ("New", "Qualified", "Proposition", "Won")
AWS_STAGES: Final = (
    "Prospect",
    "Qualified",
    "Technical Validation",
    "Business Validation",
    "Committed",
)
