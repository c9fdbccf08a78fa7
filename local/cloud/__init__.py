"""AWS on this machine: see `LocalCloud`."""

from local.cloud.local_cloud import CloudInUseError, LocalCloud
from local.cloud.mail import Mail
from local.cloud.processes import ProcessFailedError

__all__ = ["CloudInUseError", "LocalCloud", "Mail", "ProcessFailedError"]
