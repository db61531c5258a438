"""Profile photos: a coloured square with initials, the same for the same person."""

from fastapi import APIRouter
from starlette.responses import Response

from posada_playground.site import AtSite

router = APIRouter()

PHOTO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 80" width="80" height="80">
<rect width="80" height="80" fill="hsl({hue} 45% 55%)"/>
<text x="40" y="50" font-family="sans-serif" font-size="30" fill="#fff" text-anchor="middle">{initials}</text>
</svg>"""


@router.get("/static/photos/{user_id}.svg")
async def photo(user_id: str, site: AtSite) -> Response:
    person = site.people.by_id.get(user_id)
    initials = "".join(word[0] for word in person.name.split()[:2]) if person else "?"
    svg = PHOTO.format(hue=int(user_id[-4:] or 0) % 360 if person else 0, initials=initials)
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})
