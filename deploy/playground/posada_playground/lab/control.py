"""What the control API does to the lab."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from posada_playground.control import guard
from posada_playground.site import AtSite

router = APIRouter(prefix="/control/lab", dependencies=[Depends(guard)])


class Visitor(BaseModel):
    """Whose logins are meant."""

    user: str


@router.post("/expire")
async def expire(order: Visitor, site: AtSite) -> dict[str, object]:
    return {"user": order.user, "expired_logins": site.visitors.expire(order.user)}
