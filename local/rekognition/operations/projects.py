"""Operations on projects."""

from dataclasses import replace

from local.rekognition.access.identity import Caller
from local.rekognition.errors import in_use, invalid_parameter, limit_exceeded
from local.rekognition.operations.service import Answer, Request, Service, page
from local.rekognition.state.descriptions import describe_project
from local.rekognition.state.records import Project, ProjectStatus


def create_project(service: Service, caller: Caller, request: Request) -> Answer:
    """CreateProject: the project can be used at once."""
    if request.get("Feature", "CUSTOM_LABELS") != "CUSTOM_LABELS" or "AutoUpdate" in request:
        raise invalid_parameter(
            "This local service has no adapters: leave out AutoUpdate, and Feature CONTENT_MODERATION."
        )
    projects, quota = service.store.within(Project, caller.scope), service.settings.quotas.projects
    name = request["ProjectName"]
    if any(project.name == name for project in projects):
        raise in_use(f"A project named {name} exists already, or is being deleted.")
    if len(projects) >= quota:
        raise limit_exceeded(f"This account has {quota} projects, the most it may have. Delete one first.")
    created_ms = service.store.new_creation_ms()
    project = Project(caller.scope.project_arn(name, created_ms), name, created_ms, tags=request.get("Tags", {}))
    service.store.put(project)
    return {"ProjectArn": project.arn}


def describe_projects(service: Service, caller: Caller, request: Request) -> Answer:
    """DescribeProjects: newest first; names that do not exist are absent."""
    projects = service.store.within(Project, caller.scope)
    if "CUSTOM_LABELS" not in request.get("Features", ["CUSTOM_LABELS"]):
        projects = []
    if "ProjectNames" in request:
        projects = [project for project in projects if project.name in request["ProjectNames"]]
    datasets = {project.arn: service.datasets_of(project) for project in projects}
    return page(
        projects, request, "ProjectDescriptions", lambda project: describe_project(project, datasets[project.arn])
    )


def delete_project(service: Service, caller: Caller, request: Request) -> Answer:
    """DeleteProject: only once it has no versions and no datasets."""
    project = service.project(caller.scope, request["ProjectArn"])
    if project.status is ProjectStatus.DELETING:
        raise in_use(f"The project {project.name} is being deleted already.")
    if service.versions_of(project):
        raise in_use(f"The project {project.name} still has model versions. Delete them first.")
    if service.datasets_of(project):
        raise in_use(f"The project {project.name} still has datasets. Delete them first.")
    deleting = replace(project, status=ProjectStatus.DELETING)
    service.store.put(deleting)
    service.lifecycle.delete_project(deleting)
    return {"Status": deleting.status}
