"""The errors a client sees, by the codes of the service model."""

from http import HTTPStatus


class ServiceError(Exception):
    """An error answer: `code` is the exception name a client catches, `status` the HTTP status."""

    def __init__(self, code: str, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid_parameter(message: str) -> ServiceError:
    """Report a request that is well formed but makes no sense."""
    return ServiceError("InvalidParameterException", message)


def not_found(arn: str) -> ServiceError:
    """Report an ARN that this account and region do not hold."""
    return ServiceError("ResourceNotFoundException", f"The resource {arn} does not exist in this account and region.")


def in_use(message: str) -> ServiceError:
    """Report a name that is taken, or a resource whose state forbids the operation."""
    return ServiceError("ResourceInUseException", message)


def limit_exceeded(message: str) -> ServiceError:
    """Report a quota that is used up."""
    return ServiceError("LimitExceededException", message)


def internal_error() -> ServiceError:
    """Report a fault of this service; the cause is in its log."""
    return ServiceError("InternalServerError", "Internal server error", HTTPStatus.INTERNAL_SERVER_ERROR)
