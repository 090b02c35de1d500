"""The contracts: spec models, report and event models, and the JSON Schemas made from them."""
