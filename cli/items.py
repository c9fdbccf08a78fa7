"""Items of the application's table as plain values."""

from collections.abc import Iterator, Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

_TYPES = TypeDeserializer()


def query(dynamodb: Any, table: str, value: str, key: str = "pk", **options: Any) -> Iterator[dict[str, Any]]:
    """Every item whose `key` has this value; `options` are further ones of Query."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#key = :value",
        ExpressionAttributeNames={"#key": key},
        ExpressionAttributeValues={":value": {"S": value}},
        **options,
    )
    return (plain(item) for page in pages for item in page["Items"])


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """Read the types that DynamoDB writes beside every value."""
    return {name: _TYPES.deserialize(value) for name, value in item.items()}
