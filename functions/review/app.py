"""The page of reviews: shows one picture at a time, takes what a person says of it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from mlops.reading.pages import Page
from mlops.stages import review, review_page

logger = Logger()
__all__ = ["handler", "review"]


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Page:
    return review_page.respond(event)
