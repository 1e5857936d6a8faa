"""What endpoints ask for, by name; asynchronous, as FastAPI calls other functions in a thread, which costs more."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from telltale_gateway.services import Services
from telltale_gateway.settings import Settings


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


ServicesDep = Annotated[Services, Depends(_services)]
SettingsDep = Annotated[Settings, Depends(_settings)]
RequestId = Annotated[str, Depends(_request_id)]
