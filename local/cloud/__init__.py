"""AWS on this machine: see `LocalCloud`."""

from local.cloud.local_cloud import STATE, CloudAccess, CloudInUseError, LocalCloud, holder_of
from local.cloud.mail import Mail
from local.cloud.processes import ProcessFailedError

__all__ = ["STATE", "CloudAccess", "CloudInUseError", "LocalCloud", "Mail", "ProcessFailedError", "holder_of"]
