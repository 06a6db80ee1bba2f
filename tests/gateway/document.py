"""The gateway's OpenAPI document as a test uses it: operations, and what an answer must look like."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from tests.gateway.gateways import Answer

DOCUMENT: dict[str, Any] = json.loads(resources.files("servicegroup.gateway").joinpath("openapi.json").read_bytes())


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    said: dict[str, Any]

    def schema_of(self, place: dict[str, Any]) -> dict[str, Any]:
        """With what its references name."""
        return {**place, "components": DOCUMENT["components"]}

    def parameters(self, where: str) -> dict[str, dict[str, Any]]:
        """Their schemas, by name."""
        found = [one for one in self.said.get("parameters", ()) if one["in"] == where]
        return {one["name"]: self.schema_of(one["schema"]) for one in found}

    @property
    def body(self) -> dict[str, Any] | None:
        place = self.said.get("requestBody")
        return None if place is None else self.schema_of(place["content"]["application/json"]["schema"])

    def check(self, answer: Answer) -> None:
        """Its status is one that the document has, and its body is of that answer's schema."""
        assert str(answer.status) in self.said["responses"], (self.path, answer)
        content = self.said["responses"][str(answer.status)].get("content")
        if content is None:
            assert not answer.body
            return
        schema = self.schema_of(content["application/json"]["schema"])
        Draft202012Validator(schema).validate(answer.body)


def operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, said in methods.items():
            yield Operation(method.upper(), path, said)


def operation(name: str) -> Operation:
    return next(one for one in operations() if one.said["operationId"] == name)
